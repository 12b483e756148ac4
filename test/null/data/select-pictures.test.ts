import { expect, test } from 'vitest'
import { DataError, OptionError } from '../../../src/base/errors.ts'
import { type LabelledPictures, selectPictures, splitPictures } from '../../../src/data/index.ts'

/** Picture number i has the pixels 2i and 2i + 1 and the label i mod 3. */
function numbered(count: number): LabelledPictures {
  return {
    count,
    channels: 1,
    height: 1,
    width: 2,
    pixels: Uint8Array.from({ length: 2 * count }, (_, index) => index),
    labels: Int32Array.from({ length: count }, (_, index) => index % 3),
    classes: ['a', 'b', 'c'],
  }
}

function numbersOf({ pixels, labels, count }: LabelledPictures): number[] {
  const numbers = Array.from({ length: count }, (_, index) => pixels[2 * index]! / 2)
  expect([...labels]).toEqual(numbers.map((number) => number % 3))
  expect([...pixels].filter((_, index) => index % 2 === 1)).toEqual(numbers.map((number) => 2 * number + 1))
  return numbers
}

test('selected pictures come with their labels, in the order asked for', () => {
  expect(numbersOf(selectPictures(numbered(10), [7, 0, 7]))).toEqual([7, 0, 7])
  expect(selectPictures(numbered(3), []).count).toBe(0)
  expect(() => selectPictures(numbered(3), [3])).toThrow(DataError)
  expect(() => selectPictures(numbered(3), [0.5])).toThrow('there is no picture 0.5')
})

test('a split holds each picture once, in order, and is the same every time', () => {
  const { train, validation } = splitPictures(numbered(100), { validation: 0.2, seed: 1 })
  const [kept, held] = [numbersOf(train), numbersOf(validation)]
  expect(held.length).toBe(20)
  expect(held).toEqual(held.toSorted((a, b) => a - b))
  expect([...kept, ...held].sort((a, b) => a - b)).toEqual(Array.from({ length: 100 }, (_, index) => index))
  expect(splitPictures(numbered(100), { validation: 0.2, seed: 1 }).validation).toEqual(validation)
  expect(numbersOf(splitPictures(numbered(100), { validation: 0.2, seed: 2 }).validation)).not.toEqual(held)
})

test('refuses a split that leaves a part empty, and other options', () => {
  expect(() => splitPictures(numbered(3), { validation: 0.1, seed: 1 })).toThrow(DataError)
  expect(() => splitPictures(numbered(3), { validation: 0.9, seed: 1 })).toThrow(DataError)
  expect(() => splitPictures(numbered(3), { validation: 1, seed: 1 })).toThrow(OptionError)
  expect(() => splitPictures(numbered(3), { validation: 0.5 } as never)).toThrow(OptionError)
})
