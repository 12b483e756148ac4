import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { MismatchError, OptionError, ShapeError } from '../../../src/base/errors.ts'
import { type Device, openDevice } from '../../../src/platform/index.ts'
import { type EditImagesOptions, editImages, maskedValues } from '../../../src/systems/edit-images.ts'
import { encodePictures } from '../../../src/systems/image-coder.ts'
import { createImageModel, type ImageModel } from '../../../src/systems/image-model.ts'
import { loadImageSystem } from '../../../src/systems/image-registry.ts'
import type { SampleStep } from '../../../src/systems/image-system.ts'
import { toyPictures } from '../../contracts/toy-pictures.ts'
import { ShadesTokenizer } from '../../contracts/toy-scales.ts'

/** A 4×4 mask from a drawing: `x` is painted anew. */
function drawn(rows: string) {
  return { height: 4, width: 4, pixels: Uint8Array.from(rows.replaceAll(' ', ''), (mark) => (mark === 'x' ? 255 : 0)) }
}

const corner = drawn('...x .... .... ....')
const scales = [
  [1, 1],
  [2, 2],
  [3, 3],
  [4, 4],
] as const

describe('maskedValues', () => {
  it('keeps the values whose cell has no masked pixel, at every scale', () => {
    expect([...maskedValues(new ShadesTokenizer(scales), corner)]).toEqual([
      ...[0],
      ...[1, 0, 1, 1],
      // 3 cells over 4 pixels: 0–1, 1–2, 2–3.
      ...[1, 1, 0, 1, 1, 1, 1, 1, 1],
      ...[1, 1, 1, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1],
    ])
    const middle = maskedValues(new ShadesTokenizer(scales), drawn('.... .x.. .... ....'))
    expect([...middle.subarray(5, 14)]).toEqual([0, 0, 1, 0, 0, 1, 1, 1, 1])
  })

  it('refuses masks of other sizes', () => {
    const tokenizer = new ShadesTokenizer(scales)
    expect(() => maskedValues(tokenizer, { ...corner, width: 5 })).toThrow(MismatchError)
    expect(() => maskedValues(tokenizer, { ...corner, width: 5 })).toThrow(/mask of 4×5 .* expected 4×4/)
    expect(() => maskedValues(tokenizer, { ...corner, pixels: new Uint8Array(5) })).toThrow(ShapeError)
    const text = { kind: 'text', picture: tokenizer.picture, layout: { parts: [{ shape: [16] }] } }
    expect(() => maskedValues(text, corner)).toThrow(MismatchError)
  })
})

describe('editImages', () => {
  let device: Device
  let model: ImageModel
  const pictures = toyPictures(3, 5)
  beforeAll(async () => {
    device = await openDevice({ worker: false, threads: 1 })
    model = await createImageModel({
      system: await loadImageSystem('flexvar'),
      options: { width: 16, layers: 1, heads: 2 },
      tokenizer: new ShadesTokenizer(scales, 'latest'),
      classes: ['row', 'column'],
      device,
      seed: 1,
    })
  })
  afterAll(async () => {
    await model[Symbol.asyncDispose]()
    await device[Symbol.asyncDispose]()
  })

  async function edited(
    options: Omit<EditImagesOptions, 'pictures' | 'seed'>,
  ): Promise<{ steps: SampleStep[]; changed: number[][] }> {
    const steps: SampleStep[] = []
    for await (const step of editImages(model, { pictures, seed: 2, ...options })) steps.push(step)
    const { values } = steps.at(-1)!
    const before = await encodePictures(
      new ShadesTokenizer(values.layout.parts.map(({ shape }) => shape as [number, number])),
      pictures,
      { device },
    )
    const count = values.data.length / pictures.count
    const changed = Array.from({ length: pictures.count }, (_, i) =>
      Array.from({ length: count }, (_, j) => j).filter((j) => values.data[i * count + j] !== before.data[i * count + j]),
    )
    return { steps, changed }
  }

  it('changes masked values only, and settles the others before it starts', async () => {
    const { steps, changed } = await edited({ mask: corner, classes: 0 })
    const free = [...maskedValues(model.tokenizer, corner)].flatMap((kept, value) => (kept === 0 ? [value] : []))
    expect(changed.flat().every((value) => free.includes(value))).toBe(true)
    expect(changed.flat().length).toBeGreaterThan(0)
    expect(steps.length).toBe(4)
    expect(steps[0]!.known.reduce((sum, known) => sum + known, 0)).toBe(3 * (30 - free.length + 1))
  })

  it('takes a mask for each picture', async () => {
    const nothing = drawn('.... .... .... ....')
    const everything = drawn('xxxx xxxx xxxx xxxx')
    const { changed } = await edited({ mask: [nothing, everything, nothing] })
    expect([changed[0], changed[2]]).toEqual([[], []])
    expect(changed[1]!.length).toBeGreaterThan(5)
  })

  it('keeps coarse scales, on any schedule', async () => {
    const { changed, steps } = await edited({ keptScales: 2, schedule: [1, 3, 4] })
    expect(steps.length).toBe(3)
    expect(changed.flat().every((value) => value >= 10)).toBe(true)
    expect(changed.flat().length).toBeGreaterThan(0)
  })

  it('refuses what does not fit', async () => {
    await expect(edited({})).rejects.toThrow(/mask or keptScales/)
    await expect(edited({ mask: corner, keptScales: 1 })).rejects.toThrow(OptionError)
    await expect(edited({ keptScales: 5 })).rejects.toThrow(/at most the 4 scales/)
    await expect(edited({ mask: [corner, corner] })).rejects.toThrow(/2 masks for 3 pictures/)
    await expect(edited({ mask: { ...corner, height: 3 } })).rejects.toThrow(MismatchError)
    await expect(edited({ mask: corner, size: [5, 5] })).rejects.toThrow(MismatchError)
    await expect(edited({ mask: corner, wings: 1 } as object)).rejects.toThrow(/does not take wings/)
  })
})
