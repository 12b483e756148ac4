import { describe, expect, it } from 'vitest'
import { OptionError } from '../../../../src/base/errors.ts'
import {
  beginning,
  labelOf,
  StepEmbedding,
  splitMarks,
  withNeighbours,
} from '../../../../src/systems/series-engines/encoder-decoder.ts'
import { input, interpret } from '../../../../src/tensor/index.ts'
import { randomVariables, rowsOf } from '../../nn/oracle.ts'
import { expectNear, noise } from '../../tensor/finite-differences.ts'

const x = noise('x', [2, 5, 3])
const traced = input('x', 'float32', x.shape)

it('rows stand beside their neighbours on a circle, however short', () => {
  for (const length of [1, 2, 5]) {
    const rows = noise('rows', [1, length, 2])
    const [got] = interpret([withNeighbours(input('rows', 'float32', rows.shape))], { inputs: { rows } })
    const at = (t: number) => [...rows.data.subarray(2 * ((t + length) % length), 2 * ((t + length) % length) + 2)]
    expect([...got!.data]).toEqual(Array.from({ length }, (_, t) => [...at(t - 1), ...at(t), ...at(t + 1)]).flat())
  }
})

describe('embedded steps', () => {
  it.each([false, true])('are a circular convolution of three steps, what is known, and places: %s', (positions) => {
    const marks = noise('marks', [2, 5, 2])
    const embedding = new StepEmbedding(4, { variates: 3, marks: 2 }, { positions })
    const { variables, byName } = randomVariables(embedding)
    const [got] = interpret([embedding.forward(traced, input('marks', 'float32', marks.shape))], {
      inputs: { x, marks },
      variables,
    })
    const [kernel, ofMarks] = [rowsOf(byName.get('values.weight')!), rowsOf(byName.get('marks.weight')!)]
    const expected = Array.from({ length: 2 * 5 * 4 }, (_, flat) => {
      const [sample, time, column] = [Math.floor(flat / 20), Math.floor(flat / 4) % 5, flat % 4]
      let sum = 0
      for (let tap = 0; tap < 3; tap++)
        for (let channel = 0; channel < 3; channel++)
          sum += kernel[column]![3 * tap + channel]! * x.data[(sample * 5 + ((time + tap + 4) % 5)) * 3 + channel]!
      for (let mark = 0; mark < 2; mark++) sum += ofMarks[column]![mark]! * marks.data[(sample * 5 + time) * 2 + mark]!
      // sin and cos of time / 10,000^(2i / 4), i = 0, 1.
      const angle = column < 2 ? time : time / 100
      return sum + (positions ? [Math.sin, Math.cos][column % 2]!(angle) : 0)
    })
    expectNear(got!.data, expected, 'embedded', 1e-6)
  })
})

it('a decoder begins with the last values, then zeros, or what stands for them', () => {
  const filler = noise('filler', [2, 1, 3])
  const asked = [beginning(traced, 2, 3), beginning(traced, 2, 3, input('filler', 'float32', filler.shape))]
  const [zeros, filled] = interpret(asked, { inputs: { x, filler } })
  for (const [got, coming] of [
    [zeros, () => [0, 0, 0]],
    [filled, (sample: number) => [...filler.data.subarray(3 * sample, 3 * sample + 3)]],
  ] as const) {
    expect(got!.shape).toEqual([2, 5, 3])
    const expected = [0, 1].flatMap((sample) => [
      ...x.data.subarray((sample * 5 + 3) * 3, (sample + 1) * 15),
      ...Array.from({ length: 3 }, () => coming(sample)).flat(),
    ])
    expect([...got!.data]).toEqual(expected)
  }
})

it('marks are those of the input, and those of what the decoder sees', () => {
  const marks = input('marks', 'float32', [1, 8, 1])
  const value = { shape: [1, 8, 1], data: Float64Array.from({ length: 8 }, (_, i) => i) }
  const sizes = { inputSize: 6 } as Parameters<typeof splitMarks>[1]
  const { known, coming } = splitMarks({ values: marks, marks, covariates: undefined }, sizes, 3)
  const [first, second] = interpret([known!, coming!], { inputs: { marks: value } })
  expect([...first!.data]).toEqual([0, 1, 2, 3, 4, 5])
  expect([...second!.data]).toEqual([3, 4, 5, 6, 7])
})

it('half of the input is what a decoder begins with, unless told', () => {
  expect([1, 2, 7, 96].map((inputSize) => labelOf({}, { inputSize }))).toEqual([1, 1, 3, 48])
  expect(labelOf({ labelSize: 7 }, { inputSize: 7 })).toBe(7)
  expect(() => labelOf({ labelSize: 8 }, { inputSize: 7 })).toThrow(OptionError)
})
