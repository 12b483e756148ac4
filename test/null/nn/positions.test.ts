import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { OptionError } from '../../../src/base/errors.ts'
import { learned, type Positions, rotary } from '../../../src/nn/index.ts'
import { constant, input, interpret, type Variable } from '../../../src/tensor/index.ts'
import { expectNear, noise } from '../tensor/finite-differences.ts'
import { dot, fixed, rotateRow, rowsOf } from './oracle.ts'

const sizes = { width: 8, context: 32 }

/** Queries `[batch, head, slot, width]`, turned at positions `[batch or 1, slot]`. */
function turn(positions: Positions, x: ReturnType<typeof noise>, position: number[][]) {
  const traced = constant(position.flat(), [position.length, position[0]!.length], 'int32')
  return interpret([positions.rotate!(fixed(x), traced)], { inputs: {} })[0]!
}

/** One vector at one position. */
function turnOne(positions: Positions, vector: readonly number[], position: number): number[] {
  return [...turn(positions, { shape: [1, 1, 1, vector.length], data: Float64Array.from(vector) }, [[position]]).data]
}

describe('rotary', () => {
  it.each([
    [10000, [[0, 5, 900]]],
    [
      50,
      [
        [3, 3, 0],
        [7, 8, 31],
      ],
    ],
  ])('multiplies pairs as complex numbers, base %d, positions %j', (base, position) => {
    const x = noise('x', [2, 3, 3, 6])
    const actual = turn(rotary({ base })(sizes), x, position)
    expect(actual.shape).toEqual(x.shape)
    for (const row of [0, 1]) {
      for (const head of [0, 1, 2]) {
        const places = position[position.length === 1 ? 0 : row]!
        const expected = rowsOf(x, row, head).map((vector, slot) => rotateRow(vector, places[slot]!, base))
        expectNear(rowsOf(actual, row, head).flat(), expected.flat(), `row ${row}, head ${head}`, 1e-12)
      }
    }
  })

  it('has base 10000 unless told otherwise', () => {
    const x = [1, 2, 3, 4]
    expectNear(turnOne(rotary()(sizes), x, 40), rotateRow(x, 40, 10000), 'turned', 1e-12)
  })

  const vector = fc.array(fc.double({ min: -3, max: 3, noNaN: true }), { minLength: 8, maxLength: 8 })
  const place = fc.nat(500)
  const positions = rotary({ base: 100 })(sizes)

  it('keeps lengths', () => {
    fc.assert(
      fc.property(vector, place, (x, at) => {
        const turned = turnOne(positions, x, at)
        expectNear([dot(turned, turned)], [dot(x, x)], 'squared length', 1e-10)
      }),
      { seed: 1, numRuns: 50 },
    )
  })

  it('lets products depend on the distance of positions alone', () => {
    fc.assert(
      fc.property(vector, vector, place, place, place, (q, k, at, other, shift) => {
        const product = (a: number, b: number) => dot(turnOne(positions, q, a), turnOne(positions, k, b))
        expectNear([product(at + shift, other + shift)], [product(at, other)], 'q·k', 1e-9)
      }),
      { seed: 2, numRuns: 50 },
    )
  })

  it('leaves values and embeddings alone', () => {
    expect(rotary()(sizes).embed).toBeUndefined()
  })

  it.each([0, -1, Number.NaN, Number.POSITIVE_INFINITY])('refuses base %d', (base) => {
    expect(() => rotary({ base })).toThrow(OptionError)
  })

  it('refuses unknown options, and heads of odd width', () => {
    expect(() => rotary({ theta: 10000 } as object)).toThrow(/unknown rotary option 'theta'/)
    const odd = input('x', 'float32', [1, 1, 2, 5])
    expect(() => rotary()(sizes).rotate!(odd, constant([0, 1], [1, 2], 'int32'))).toThrow(/width 5; expected an even width/)
  })
})

describe('learned', () => {
  it.each([
    [[[2, 0, 31]]],
    [
      [
        [0, 1, 2],
        [5, 5, 4],
      ],
    ],
  ])('adds the row of each position, positions %j', (position) => {
    const positions = learned()(sizes)
    const table = noise('table', [sizes.context, sizes.width])
    const x = noise('x', [2, 3, sizes.width])
    const traced = constant(position.flat(), [position.length, 3], 'int32')
    const [actual] = interpret([positions.embed!(input('x', 'float32', x.shape), traced)], {
      inputs: { x },
      variables: new Map([[(positions as unknown as { weight: Variable }).weight, table]]),
    })
    const rows = rowsOf(table)
    const expected = [0, 1].flatMap((row) =>
      rowsOf(x, row).flatMap((vector, slot) =>
        vector.map((value, i) => value + rows[position.at(row)?.[slot] ?? position[0]![slot]!]![i]!),
      ),
    )
    expectNear(actual!.data, expected, 'embedded', 1e-12)
    expect(positions.rotate).toBeUndefined()
  })
})
