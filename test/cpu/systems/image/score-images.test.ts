import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { DataError, MismatchError, OptionError, ShapeError } from '../../../../src/base/errors.ts'
import { pictureValues } from '../../../../src/base/pictures.ts'
import { createRng } from '../../../../src/base/rng.ts'
import { bitsPerDimension, pictureStep } from '../../../../src/metrics/index.ts'
import { initialize } from '../../../../src/nn/index.ts'
import { type PlanNetwork, planReadout } from '../../../../src/nn/plan-network.ts'
import { type Device, openDevice } from '../../../../src/platform/index.ts'
import {
  createImageModel,
  encodePictures,
  generateCodes,
  type ImageModel,
  loadImageSystem,
  scoreImages,
} from '../../../../src/systems/index.ts'
import { compile, float32, int32 } from '../../../../src/tensor/index.ts'
import { bars, type TinySystem, tinySystems } from '../../cli/picture-folders.ts'

let device: Device
beforeAll(async () => {
  device = await openDevice({ worker: false, threads: 1 })
})
afterAll(() => device[Symbol.asyncDispose]())

async function tinyModel(id: TinySystem, extra: object = {}): Promise<ImageModel> {
  const { options, tokenizer: make } = tinySystems[id]
  const tokenizer = make()
  await initialize(tokenizer, createRng(1).fold('tokenizer'))
  const model = await createImageModel({
    system: await loadImageSystem(id),
    options: { ...options, ...extra },
    tokenizer,
    classes: ['dark', 'light'],
    device,
    seed: 1,
  })
  // First weights of heads may be 0, which makes everything equally likely.
  await initialize(model.network, createRng(2))
  return model
}

const pictures = bars(5)
const classes = [...pictures.labels]

describe('a flow of pixels', () => {
  it('scores what its network says of dequantised pictures', async () => {
    await using model = await tinyModel('starflow')
    const score = await scoreImages(model, pictures, { classes, seed: 7, batch: 2 })
    const values = pictureValues(pictures, [0, 1, 2, 3, 4])
    const noise = new Float32Array(64)
    for (let i = 0; i < 5; i++) {
      createRng(7).fold('picture').fold(i).fold('level').fillUniform(noise)
      for (let j = 0; j < 64; j++) values[64 * i + j]! += (noise[j]! - 0.5) / 127.5
    }
    // Patches of 4 × 4, row by row.
    const patched = Float32Array.from(values, (_, k) => {
      const [i, patch, y, x] = [k >> 6, (k >> 4) & 3, (k >> 2) & 3, k & 3]
      return values[64 * i + 8 * (4 * (patch >> 1) + y) + 4 * (patch & 1) + x]!
    })
    const program = compile(
      { values: float32(5, 4, 16), labels: int32(5) },
      (given) => ({ logProb: model.network.logProb!(given.values, given.labels) }),
      { device },
    )
    const { logProb } = await program.run({ values: patched, labels: pictures.labels })
    for (const [i, own] of score.logProbs.entries()) expect(own).toBeCloseTo(logProb.data[i] as number, 3)
    expect(score.bitsPerDimension).toBe(bitsPerDimension(score.natsPerPicture, 64, { step: pictureStep }))
  })

  it('gives a picture its own noise: company does not matter, the seed does', async () => {
    await using model = await tinyModel('starflow')
    const [few, many, other] = await Promise.all(
      [bars(2), bars(5), bars(5)].map((set, i) => scoreImages(model, set, { classes: 'dark', seed: i === 2 ? 2 : 1 })),
    )
    expect(few!.logProbs[1]).toBeCloseTo(many!.logProbs[1]!, 4)
    expect(other!.logProbs[1]).not.toBeCloseTo(many!.logProbs[1]!, 4)
  })
})

describe('models of ids', () => {
  it.each(['elm', 'nar', 'var'] as const)('%s: the sum over steps, none of which sees what comes after', async (id) => {
    await using model = await tinyModel(id)
    const { logProbs } = await scoreImages(model, pictures, { classes, seed: 1 })
    const codes = await encodePictures(model.tokenizer, pictures, { device })
    const network = model.network as unknown as PlanNetwork
    const { plan } = network
    const count = codes.data.length / 5
    const program = compile(
      { values: int32(5, count, 1), label: int32(5) },
      (given) => ({ logits: planReadout(network, given).logits! }),
      { device },
    )
    const channels = [plan, ...(plan.channels ?? [])]
    for (let value = 0; value < count; value++) {
      const slots = channels.flatMap(({ target, weight }, channel) =>
        [...target.keys()].filter((slot) => target[slot] === value).map((slot) => ({ slot, channel, weight: weight[slot]! })),
      )
      // Values that this one does not see are replaced by others.
      const group = plan.group[slots[0]!.slot]!
      const later = new Set(
        channels.flatMap(({ target }) =>
          [...target.keys()].filter((slot) => plan.group[slot]! >= group).map((slot) => target[slot]!),
        ),
      )
      const values = Int32Array.from(codes.data as Int32Array, (id, i) => (later.has(i % count) ? (id + 1) % 8 : id))
      const { logits } = await program.run({ values, label: pictures.labels })
      for (let i = 0; i < 5; i++) {
        const row = Array.from({ length: 8 }, (_, id) =>
          slots.reduce((sum, { slot, channel, weight }) => {
            const width = channels.length * 8
            return sum + weight * (logits.data[(i * plan.length + slot) * width + channel * 8 + id] as number)
          }, 0),
        )
        const total = Math.log(row.reduce((sum, x) => sum + Math.exp(x), 0))
        logProbs[i]! -= row[codes.data[i * count + value]!]! - total
      }
    }
    for (const rest of logProbs) expect(rest).toBeCloseTo(0, 3)
  })
})

describe('what cannot be scored', () => {
  it.each([
    ['a system without a likelihood', 'maskgit', bars(1), {}, OptionError, /maskgit has no exact likelihood/],
    ['pictures of another size', 'var', bars(1, { channels: 1, height: 8, width: 4 }), {}, MismatchError, /1 × 8 × 4/],
    ['other pixels than its pictures have', 'var', { ...bars(2), count: 3 }, {}, ShapeError, /\[3, 1, 8, 8\] of 128 pixels/],
    ['no pictures', 'var', bars(0), {}, DataError, /no pictures/],
    ['a class that there is not', 'var', bars(1), { classes: 2 }, OptionError, /no class 2/],
    ['classes of others', 'var', bars(3), { classes: [0, 1] }, OptionError, /2 classes for 3 pictures/],
    ['an unknown option', 'var', bars(1), { speed: 1 }, OptionError, /speed/],
  ] as const)('%s', async (_name, id, set, options, kind, message) => {
    await using model = await tinyModel(id)
    const problem = await scoreImages(model, set, { seed: 1, ...options }).catch((error: unknown) => error)
    expect(problem).toBeInstanceOf(kind)
    expect((problem as Error).message).toMatch(message)
  })

  it('a picture without its class, when the model has seen none; nor is it drawn', async () => {
    await using model = await tinyModel('elm', { labelDrop: 0 })
    await expect(scoreImages(model, bars(1), { seed: 1 })).rejects.toThrow(/no picture without its class/)
    await expect(generateCodes(model, { seed: 1 })).rejects.toThrow(/no picture without its class/)
    await expect(generateCodes(model, { count: 2, classes: [], seed: 1 })).rejects.toThrow(OptionError)
    expect((await generateCodes(model, { count: 2, classes: 'dark', seed: 1 })).count).toBe(2)
  })
})
