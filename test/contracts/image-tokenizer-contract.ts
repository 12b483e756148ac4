import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type CodeBatch, countValues, unitWidth } from '../../src/base/codes.ts'
import { MismatchError } from '../../src/base/errors.ts'
import type { Pictures } from '../../src/base/pictures.ts'
import { createRng, type Rng } from '../../src/base/rng.ts'
import { disposeModule, initialize, namedVariables } from '../../src/nn/index.ts'
import { type Device, openDevice } from '../../src/platform/index.ts'
import { decodeCodes, encodePictures, type ImageCoder, openImageCoder } from '../../src/systems/image-coder.ts'
import { loadImageTokenizer, saveImageTokenizer } from '../../src/systems/image-tokenizer-files.ts'
import { imageTokenizerTask } from '../../src/systems/image-tokenizer-task.ts'
import { compile, float32, int32 } from '../../src/tensor/index.ts'
import { buildImageTokenizer } from '../../src/tokenizers/image/build.ts'
import type { ImageTokenizer } from '../../src/tokenizers/image/image-tokenizer.ts'
import { fit } from '../../src/train/index.ts'

export interface ImageTokenizerCase {
  readonly name: string
  open(): ImageTokenizer
  /** Gives it weights. Default: first ones, which are then trained where there is a loss. */
  load?(tokenizer: ImageTokenizer): Promise<void>
  /** Its values say everything about 8-bit pictures. */
  readonly exact?: boolean
}

/** Rectangles of different places, sizes and shades on dark ground. */
export function rectangles({ picture: size }: ImageTokenizer, count: number, seed: number): Pictures {
  const { channels, height, width } = size
  const pixels = new Uint8Array(count * channels * height * width)
  for (let n = 0; n < count; n++) {
    const draw = createRng(seed).fold(n).cursor()
    const [top, left] = [draw.integer(height - 2), draw.integer(width - 2)]
    const [bottom, right] = [top + 2 + draw.integer(height - top - 1), left + 2 + draw.integer(width - left - 1)]
    for (let c = 0; c < channels; c++) {
      const shade = 100 + draw.integer(156)
      for (let y = top; y < Math.min(bottom, height); y++)
        for (let x = left; x < Math.min(right, width); x++) pixels[((n * channels + c) * height + y) * width + x] = shade
    }
  }
  return { ...size, count, pixels }
}

/** Mean squared error of 8-bit pictures. */
function errorOf(left: Pictures, right: Pictures): number {
  return left.pixels.reduce((sum, pixel, i) => sum + (pixel - right.pixels[i]!) ** 2, 0) / left.pixels.length
}

/** Any values of a tokenizer's unit. */
function anyValues({ unit, layout }: ImageTokenizer, count: number, rng: Rng): CodeBatch {
  const width = unitWidth(unit)
  const length = count * countValues(layout) * width
  if (unit.kind === 'vectors') return { layout, count, ...unit, data: rng.fillNormal(new Float32Array(length)) }
  const data = Int32Array.from({ length }, (_, i) => rng.integerAt(i, unit.vocabulary[i % width]!))
  return { layout, count, ...unit, data }
}

/** What every image tokenizer promises. */
export function runImageTokenizerContract(given: ImageTokenizerCase): void {
  describe(given.name, () => {
    const tokenizer = given.open()
    const { unit, layout } = tokenizer
    const places = countValues(layout)
    const pictures = rectangles(tokenizer, 24, 1)
    let device: Device
    let coder: ImageCoder
    let codes: CodeBatch

    beforeAll(async () => {
      device = await openDevice({ worker: false, threads: 1 })
      if (given.load === undefined) await initialize(tokenizer, createRng(1))
      else await given.load(tokenizer)
      if (tokenizer.losses !== undefined) await train(tokenizer, device)
      coder = openImageCoder(tokenizer, { device, batch: 10 })
      codes = await coder.encode(pictures)
    })
    afterAll(async () => {
      await coder[Symbol.asyncDispose]()
      await disposeModule(tokenizer)
      await device[Symbol.asyncDispose]()
    })

    test('encode gives values of the unit, in range, as many as the layout has', () => {
      const width = unitWidth(unit)
      expect(codes).toMatchObject({ ...unit, layout, count: pictures.count })
      expect(codes.data.length).toBe(pictures.count * places * width)
      const fits = (x: number, i: number) =>
        unit.kind === 'ids' ? Number.isInteger(x) && x >= 0 && x < unit.vocabulary[i % width]! : Number.isFinite(x)
      expect([...codes.data].every(fits)).toBe(true)
    })

    test('different pictures get different values', () => {
      const length = places * unitWidth(unit)
      const rows = Array.from({ length: pictures.count }, (_, n) => codes.data.slice(n * length, (n + 1) * length).join())
      expect(new Set(rows).size).toBeGreaterThan(pictures.count / 2)
    })

    test('a picture is encoded and decoded alike in any company', async () => {
      const [length, size] = [places * unitWidth(unit), pictures.pixels.length / pictures.count]
      const one = { ...pictures, count: 1, pixels: pictures.pixels.slice(3 * size, 4 * size) }
      const alone = await coder.encode(one)
      const among = codes.data.slice(3 * length, 4 * length)
      for (const [i, x] of alone.data.entries()) expect(x).toBeCloseTo(among[i]!, 4)
      const painted = await coder.decode(codes)
      const paintedAlone = await coder.decode({ ...codes, count: 1, data: among } as CodeBatch)
      expect(errorOf({ ...one, pixels: painted.pixels.slice(3 * size, 4 * size) }, paintedAlone)).toBeLessThan(1)
    })

    test('every prefix decodes, and what is known better is painted better', async () => {
      const errors: number[] = []
      for (let known = 0; known <= layout.parts.length; known++) {
        errors.push(errorOf(await coder.decode(codes, { upTo: known }), pictures))
      }
      expect(errors.at(-1)).toBeLessThan(errors[0]! * 0.7)
      if (errors.length > 2) expect(errors.at(-2)).toBeLessThan(errors[0]!)
      const half = new Float32Array(pictures.count * places).map((_, i) => Number(i % places < places / 2))
      const halfway = errorOf(await coder.decode(codes, { known: half }), pictures)
      expect(halfway).toBeLessThan(errors[0]!)
      expect(halfway).toBeGreaterThan(errors.at(-1)!)
    })

    test('what values are that are not known changes nothing', async () => {
      const known = createRng(8)
        .fillUniform(new Float32Array(pictures.count * places))
        .map(Math.round)
      const any = anyValues(tokenizer, pictures.count, createRng(9)).data
      const width = unitWidth(unit)
      const data = codes.data.slice().map((x, i) => (known[Math.floor(i / width)] === 1 ? x : any[i]!))
      const [one, other] = [await coder.decode(codes, { known }), await coder.decode({ ...codes, data } as CodeBatch, { known })]
      expect(errorOf(one, other)).toBeLessThan(0.1)
    })

    test('decodes any values that the unit allows to finite pictures', async () => {
      const any = anyValues(tokenizer, 5, createRng(2))
      const spec = unit.kind === 'ids' ? int32 : float32
      const program = compile(
        { values: spec(5, places, unitWidth(unit)), known: float32(5, places) },
        ({ values, known }) => ({ pictures: tokenizer.decode(values, known) }),
        { device },
      )
      const known = createRng(3)
        .fillUniform(new Float32Array(5 * places))
        .map(Math.round)
      const { data, shape } = (await program.run({ values: any.data, known })).pictures
      await program.dispose()
      const { channels, height, width } = tokenizer.picture
      expect(shape).toEqual([5, channels, height, width])
      expect([...(data as Float32Array)].every(Number.isFinite)).toBe(true)
    })

    test('embed gives a vector for each value, which depends on that value alone', async () => {
      const values = anyValues(tokenizer, 2, createRng(4))
      const width = unitWidth(unit)
      const changed = values.data.slice()
      changed.copyWithin(0, width, 2 * width)
      const [before, after] = [await embedded(tokenizer, device, values.data), await embedded(tokenizer, device, changed)]
      expect(before.shape).toEqual([2, places, tokenizer.embeddingWidth])
      const rest = (data: Float32Array) => data.slice(tokenizer.embeddingWidth)
      expect(rest(after.data)).toEqual(rest(before.data))
      expect(after.data.slice(0, tokenizer.embeddingWidth)).toEqual(
        before.data.slice(tokenizer.embeddingWidth, 2 * tokenizer.embeddingWidth),
      )
    })

    test.runIf(layout.parts.length > 1)('what a part is told never depends on its own or later values', async () => {
      const values = anyValues(tokenizer, 1, createRng(5)).data
      const other = anyValues(tokenizer, 1, createRng(6)).data
      const told = await carried(tokenizer, device, values)
      const width = tokenizer.embeddingWidth
      let start = 0
      for (const [k, { shape }] of layout.parts.entries()) {
        const mixed = values.slice()
        mixed.set(other.subarray(start * unitWidth(unit)), start * unitWidth(unit))
        const end = start + countValues({ parts: [{ shape }] })
        const now = await carried(tokenizer, device, mixed)
        expect(now.slice(0, end * width)).toEqual(told.slice(0, end * width))
        if (k === 0) expect(told.slice(0, end * width).every((x) => x === 0)).toBe(true)
        if (k < layout.parts.length - 1) expect(now.slice(end * width)).not.toEqual(told.slice(end * width))
        start = end
      }
    })

    test.runIf(layout.parts.length > 1)(
      'says what it carries, and takes other scales only where parts are whole pictures',
      async () => {
        expect(['residual', 'latest', 'band']).toContain(tokenizer.carryKind)
        if (tokenizer.withScales === undefined) return
        expect(tokenizer.carryKind).toBe('latest')
        const grids = layout.parts.map(({ shape: [height, width] }) => [height!, width!] as const)
        // The same pictures on the first and last grids: the codes that all grids have there.
        const fewer = tokenizer.withScales([grids[0]!, grids.at(-1)!])
        const some = await encodePictures(fewer, pictures, { device, batch: 10 })
        const [first, last] = [grids[0]!, grids.at(-1)!].map(([height, width]) => height * width) as [number, number]
        const taken = Array.from({ length: pictures.count }, (_, i) => {
          const row = codes.data.subarray(i * places, (i + 1) * places)
          return [...row.subarray(0, first), ...row.subarray(places - last)]
        })
        expect([...some.data]).toEqual(taken.flat())
        const larger = tokenizer.withScales(grids.map(([height, width]) => [height + 1, width + 2]))
        const { channels, height, width } = tokenizer.picture
        const pixels = [height, width].map((side, axis) => (side / grids.at(-1)![axis]!) * (grids.at(-1)![axis]! + 1 + axis))
        expect(larger.picture).toEqual({ channels, height: pixels[0], width: pixels[1] })
        expect(buildImageTokenizer(JSON.parse(JSON.stringify(larger.toJSON()))).layout).toEqual(larger.layout)
        const painted = await decodeCodes(larger, await encodePictures(larger, rectangles(larger, 3, 2), { device }), { device })
        expect(painted).toMatchObject({ count: 3, ...larger.picture })
        expect(() => tokenizer.withScales!([grids[1]!, grids[0]!])).toThrow(/increasing scales/)
      },
    )

    test('survives JSON', () => {
      const file = JSON.parse(JSON.stringify(tokenizer.toJSON()))
      const again = buildImageTokenizer(file)
      const facts = ({ kind, picture, unit, layout, embeddingWidth, noise }: ImageTokenizer) => ({
        ...{ kind, picture, unit, layout, embeddingWidth, noise },
      })
      expect(facts(again)).toEqual(facts(tokenizer))
      expect(JSON.parse(JSON.stringify(again.toJSON()))).toEqual(file)
      const shapes = (of: ImageTokenizer) => [...namedVariables(of)].map(([name, { shape }]) => [name, shape])
      expect(shapes(again)).toEqual(shapes(tokenizer))
      expect(() => buildImageTokenizer({ ...file, surprise: 1 })).toThrow('surprise')
    })

    test('gives the same values after it was saved and loaded', async () => {
      const folder = mkdtempSync(join(tmpdir(), 'nextx-image-tokenizer-'))
      try {
        await saveImageTokenizer(tokenizer, join(folder, 'saved'))
        const loaded = await loadImageTokenizer(join(folder, 'saved'))
        const again = await encodePictures(loaded, pictures, { device, batch: 10 })
        expect(again).toEqual(codes)
        expect(await decodeCodes(loaded, codes, { device, batch: 10 })).toEqual(await coder.decode(codes))
        await disposeModule(loaded)
      } finally {
        rmSync(folder, { recursive: true })
      }
    })

    test('refuses pictures of another size, and codes of another kind', async () => {
      const { height } = tokenizer.picture
      const wrong = { ...pictures, height: height + 1, count: 0, pixels: new Uint8Array(0) }
      await expect(coder.encode(wrong)).rejects.toThrow(MismatchError)
      await expect(coder.encode(wrong)).rejects.toThrow(new RegExp(`${height + 1}.*${height}`))
      const foreign = { ...codes, layout: { parts: [{ shape: [1, 1, 7] }] } } as CodeBatch
      await expect(coder.decode(foreign)).rejects.toThrow(MismatchError)
    })

    test.runIf(given.exact)('is exact', async () => {
      const noise = { ...pictures, pixels: Uint8Array.from(pictures.pixels, (_, i) => createRng(7).integerAt(i, 256)) }
      expect(await coder.decode(await coder.encode(noise))).toEqual(noise)
    })

    test('stops at a signal', async () => {
      const signal = AbortSignal.abort(new Error('enough'))
      await expect(coder.encode(pictures, { signal })).rejects.toThrow('enough')
      await expect(coder.decode(codes, { signal })).rejects.toThrow('enough')
    })
  })
}

async function train(tokenizer: ImageTokenizer, device: Device): Promise<void> {
  const task = imageTokenizerTask(tokenizer, { pictures: rectangles(tokenizer, 256, 9), batch: 16, seed: 1 })
  const { loss } = await fit(task, { device, steps: 120, learningRate: 3e-3, clip: 1 })
  expect(loss).toBeLessThan(0.5)
}

async function embedded(tokenizer: ImageTokenizer, device: Device, values: Int32Array | Float32Array) {
  const { unit, layout } = tokenizer
  const shape = [-1, countValues(layout), unitWidth(unit)] as const
  const batch = values.length / (shape[1] * shape[2])
  const spec = (unit.kind === 'ids' ? int32 : float32)(batch, shape[1], shape[2])
  const program = compile({ values: spec }, (inputs) => ({ embedded: tokenizer.embed(inputs.values) }), { device })
  const result = (await program.run({ values })).embedded
  await program.dispose()
  return { shape: result.shape, data: result.data as Float32Array }
}

async function carried(tokenizer: ImageTokenizer, device: Device, values: Int32Array | Float32Array): Promise<Float32Array> {
  const { unit, layout } = tokenizer
  const spec = (unit.kind === 'ids' ? int32 : float32)(1, countValues(layout), unitWidth(unit))
  const program = compile({ values: spec }, (inputs) => ({ told: tokenizer.carry!(inputs.values) }), { device })
  const { data } = (await program.run({ values })).told
  await program.dispose()
  return data as Float32Array
}
