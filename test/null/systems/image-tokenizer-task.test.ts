import { describe, expect, test } from 'vitest'
import { DataError, MismatchError, OptionError, ShapeError } from '../../../src/base/errors.ts'
import { type Pictures, pictureValues } from '../../../src/base/pictures.ts'
import { horizontalFlip } from '../../../src/data/index.ts'
import { type ImageTokenizerTaskOptions, imageTokenizerTask } from '../../../src/systems/index.ts'
import { bae, patches } from '../../../src/tokenizers/index.ts'

const size = { channels: 1, height: 4, width: 4 }
const pictures: Pictures = { ...size, count: 6, pixels: Uint8Array.from({ length: 96 }, (_, i) => (i * 37) % 256) }
const tokenizer = bae({ picture: size, bits: 4, width: 4, downsample: 2 })
const options: ImageTokenizerTaskOptions = { pictures, batch: 3, seed: 1 }
const rowsOf = (values: ArrayLike<number>) =>
  Array.from({ length: values.length / 16 }, (_, i) =>
    Array.from(values)
      .slice(i * 16, (i + 1) * 16)
      .join(),
  )
const pixelsOf = (feed: Readonly<Record<string, unknown>>) => rowsOf(feed.pictures as Float32Array)

describe('imageTokenizerTask', () => {
  const task = imageTokenizerTask(tokenizer, options)

  test('an epoch sees every picture once; a batch depends on its step alone', () => {
    const epoch = [0, 1].flatMap((step) => pixelsOf(task.batchAt(step)))
    const all = rowsOf(pictureValues(pictures, [0, 1, 2, 3, 4, 5]))
    expect(epoch.sort()).toEqual(all.sort())
    expect(imageTokenizerTask(tokenizer, options).batchAt(5)).toEqual(task.batchAt(5))
    expect(task.batchAt(1)).not.toEqual(task.batchAt(0))
  })

  test('feeds the noise that the losses take, anew in every step', () => {
    expect(Object.keys(task.inputs).sort()).toEqual(['bits', 'pictures'])
    const [first, second] = [task.batchAt(0).bits as Float32Array, task.batchAt(1).bits as Float32Array]
    expect(first.length).toBe(3 * 4 * 4)
    expect([...first].every((x) => x >= 0 && x < 1)).toBe(true)
    expect(second).not.toEqual(first)
  })

  test('changes pictures as the augmentations say', () => {
    const changed = imageTokenizerTask(tokenizer, { ...options, augment: [horizontalFlip(1)] })
    const mirrored = Float32Array.from(
      task.batchAt(0).pictures as Float32Array,
      (_, i, whole = task.batchAt(0).pictures as Float32Array) => {
        return whole[i - (i % 4) + 3 - (i % 4)]!
      },
    )
    expect(changed.batchAt(0).pictures).toEqual(mirrored)
  })

  test('held-out batches are the held-out pictures in order', () => {
    const { validation } = imageTokenizerTask(tokenizer, { ...options, validation: pictures })
    expect(validation!.batches).toBe(2)
    expect([0, 1].flatMap((index) => pixelsOf(validation!.batchAt(index)))).toEqual(
      rowsOf(pictureValues(pictures, [0, 1, 2, 3, 4, 5])),
    )
    expect(imageTokenizerTask(tokenizer, { ...options, validation: pictures, validationBatches: 1 }).validation!.batches).toBe(1)
  })

  test('the fingerprint changes with data, seed, batch and tokenizer', () => {
    const other = bae({ picture: size, bits: 5, width: 4, downsample: 2 })
    const prints = [
      task,
      imageTokenizerTask(tokenizer, { ...options, seed: 2 }),
      imageTokenizerTask(tokenizer, { ...options, batch: 2 }),
      imageTokenizerTask(tokenizer, { ...options, pictures: { ...pictures, pixels: pictures.pixels.map((x) => 255 - x) } }),
      imageTokenizerTask(tokenizer, { ...options, validation: pictures }),
      imageTokenizerTask(other, options),
    ].map(({ fingerprint }) => fingerprint)
    expect(new Set(prints).size).toBe(prints.length)
  })

  test('refuses what cannot be trained or does not fit', () => {
    expect(() => imageTokenizerTask(patches({ picture: size, size: 2 }), options)).toThrow(OptionError)
    const small = { ...pictures, count: 24, height: 2, width: 2 }
    expect(() => imageTokenizerTask(tokenizer, { ...options, pictures: small })).toThrow(MismatchError)
    expect(() => imageTokenizerTask(tokenizer, { ...options, validation: small })).toThrow(MismatchError)
    expect(() => imageTokenizerTask(tokenizer, { ...options, pictures: { ...pictures, count: 0 } })).toThrow(DataError)
    const torn = { ...pictures, pixels: pictures.pixels.subarray(1) }
    expect(() => imageTokenizerTask(tokenizer, { ...options, pictures: torn })).toThrow(ShapeError)
    expect(() => imageTokenizerTask(tokenizer, { ...options, validation: torn })).toThrow('[6, 1, 4, 4] of 95 pixels')
    expect(() => imageTokenizerTask(tokenizer, { ...options, rate: 1 } as ImageTokenizerTaskOptions)).toThrow(/rate/)
  })
})
