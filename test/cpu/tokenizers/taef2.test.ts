import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { DataError } from '../../../src/base/errors.ts'
import { type PictureSize, type Pictures, pictureValues, toPictures } from '../../../src/base/pictures.ts'
import { decodePicture } from '../../../src/formats/index.ts'
import { peakSignalToNoise } from '../../../src/metrics/index.ts'
import { disposeModule } from '../../../src/nn/index.ts'
import { type Device, openDevice } from '../../../src/platform/index.ts'
import { openTaef2 } from '../../../src/systems/index.ts'
import { compile, float32 } from '../../../src/tensor/index.ts'
import { expectNear } from '../../null/tensor/finite-differences.ts'
import { publishedData } from '../../published-data.ts'

const folder = publishedData('models/taef2')

/** A photograph of test/photographs. */
function photograph(name: string): Promise<Pictures> {
  return decodePicture(readFileSync(fileURLToPath(new URL(`../../photographs/${name}.jpg`, import.meta.url))))
}

describe.skipIf(folder === undefined)('taef2', () => {
  let device: Device
  beforeAll(async () => {
    device = await openDevice({ worker: false, threads: 1 })
  })
  afterAll(() => device[Symbol.asyncDispose]())

  /** Values of one picture, and what all of them and none of them decode to. */
  async function thereAndBack(size: PictureSize, x: Float32Array) {
    const tokenizer = await openTaef2(folder!, { picture: size })
    const places = (size.height / 8) * (size.width / 8)
    const encode = compile({ x: float32(1, 3, size.height, size.width) }, ({ x }) => ({ values: tokenizer.encode(x) }), { device })
    const decode = compile(
      { values: float32(1, places, 32), known: float32(1, places) },
      ({ values, known }) => ({ pictures: tokenizer.decode(values, known) }),
      { device },
    )
    const values = (await encode.run({ x })).values.data as Float32Array
    const paint = async (given: Float32Array, known: number) => {
      const { pictures } = await decode.run({ values: given, known: new Float32Array(places).fill(known) })
      return pictures.data as Float32Array
    }
    const result = {
      values,
      painted: await paint(values, 1),
      average: await paint(values, 0),
      zeros: await paint(
        values.map(() => 0),
        1,
      ),
    }
    await disposeModule(tokenizer)
    return result
  }

  it('computes what numpy computes from the same weights, in double precision', async () => {
    const [height, width] = [16, 24]
    const x = Float32Array.from({ length: 3 * height * width }, (_, at) => {
      const [c, y, x] = [Math.floor(at / height / width), Math.floor(at / width) % height, at % width]
      return ((c * 50 + y * 9 + x * 7) % 256) / 127.5 - 1
    })
    const { values, painted, average, zeros } = await thereAndBack({ channels: 3, height, width }, x)
    const latents = values.map((value) => value * 0.83)
    const close = (actual: ArrayLike<number>, expected: readonly number[], what: string) => expectNear(actual, expected, what, 2e-4)
    close(latents.subarray(0, 6), [0.37668, -0.48626, 1.22539, 0.60724, -0.08598, 0.45857], 'the first vector')
    close(latents.subarray(160, 166), [0.5234, -1.00959, 0.12161, -0.76423, 0.44118, -0.77684], 'the last vector')
    close([latents.reduce((sum, z) => sum + z * z, 0) / latents.length], [1.281639], 'mean square of latents')
    close(painted.subarray(0, 6), [-0.49258, -0.45368, -0.47274, -0.44406, -0.39735, -0.3885], 'first pixels')
    close(painted.subarray(-6), [-0.27242, -0.26671, -0.33978, -0.57646, -0.6079, -0.31328], 'last pixels')
    close([painted.reduce((sum, y) => sum + y * y, 0) / painted.length], [0.195413], 'mean square of pixels')
    expect(average).toEqual(zeros)
  })

  it.each(['cat', 'coffee', 'rocket'])('restores the photograph of a %s with at least 28 dB', async (name) => {
    const original = await photograph(name)
    const { channels, height, width } = original
    const { values, painted } = await thereAndBack({ channels, height, width }, pictureValues(original, [0]))
    const restored = toPictures(painted, original)
    expect(peakSignalToNoise(original, restored).pooled).toBeGreaterThan(28)
    const power = values.reduce((sum, value) => sum + value * value, 0) / values.length
    expect(Math.sqrt(power)).toBeGreaterThan(0.85)
    expect(Math.sqrt(power)).toBeLessThan(1.15)
  })
})

it('says which file a folder lacks', async () => {
  const empty = fileURLToPath(new URL('.', import.meta.url))
  const picture = { channels: 3, height: 8, width: 8 }
  await expect(openTaef2(empty, { picture })).rejects.toThrow(DataError)
  await expect(openTaef2(empty, { picture })).rejects.toThrow(/taef2_encoder/)
})
