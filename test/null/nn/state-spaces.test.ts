import { describe, expect, it } from 'vitest'
import { OptionError, ShapeError } from '../../../src/base/errors.ts'
import {
  Companion,
  closedLoop,
  companionKernel,
  companionMatrix,
  Diagonal,
  finalState,
  kernelByPowers,
  type LinearSystem,
  longConvolution,
  type Module,
  normalizedColumn,
  rowPowers,
  type StateSpace,
} from '../../../src/nn/index.ts'
import { constant, input, interpret, pullback, type Tensor } from '../../../src/tensor/index.ts'
import type { ReferenceValue } from '../../../src/tensor/tensor.ts'
import { centralDifferences, expectNear, noise } from '../tensor/finite-differences.ts'
import { checkLayerGradients } from './check-gradients.ts'
import { dot, type Row, type Rows, randomVariables, rowsOf } from './oracle.ts'

const apply = (matrix: Rows, x: Row): Row => matrix.map((row) => dot(row, x))
const plus = (x: Row, y: Row, times: number): Row => x.map((value, i) => value + times * y[i]!)

/** The matrix that shifts states on by one and puts `a` into its last column. */
const companionOf = (a: Row): Rows => a.map((value, i) => a.map((_, j) => Number(i === j + 1) + (j === a.length - 1 ? value : 0)))

/** c·Aᵗ·b, state by state. */
function naiveKernel(matrix: Rows, b: Row, c: Row, length: number): number[] {
  let x = b
  return Array.from({ length }, () => {
    const value = dot(c, x)
    x = apply(matrix, x)
    return value
  })
}

const unit = (row: Row): Row => row.map((value) => value / row.reduce((sum, x) => sum + Math.abs(x), 0))

const column = (...rows: number[][]): Tensor => constant(rows.flat(), [rows.length, rows[0]!.length])
const evaluate = (tensor: Tensor): ReferenceValue => interpret([tensor], { inputs: {} })[0]!

describe('companion systems', () => {
  it('shift states, and have the given last column', () => {
    const a = [0.1, -0.2, 0.3]
    expectNear(
      evaluate(companionMatrix(column(a, [1, 2, 3]))).data,
      [...companionOf(a), ...companionOf([1, 2, 3])].flat(),
      'A',
      1e-7,
    )
    expectNear(evaluate(companionMatrix(column([0.5]))).data, [0.5], 'A', 1e-7)
    expectNear(evaluate(normalizedColumn(column([1, -3], [0, 0]))).data, [0.25, -0.75, 0, 0], 'unit columns', 1e-7)
  })

  it.each([
    [1, 1],
    [3, 5],
    [6, 64],
    [40, 7],
    [16, 300],
  ])('kernels of %d states and %d steps: both routes are the recurrence', (state, length) => {
    const inputs = { a: noise('a', [2, state]), b: noise('b', [2, state]), c: noise('c', [2, state]) }
    const [a, b, c] = (['a', 'b', 'c'] as const).map((name) => input(name, 'float32', [2, state])) as [Tensor, Tensor, Tensor]
    const unitA = normalizedColumn(a)
    const powers = kernelByPowers({ matrix: companionMatrix(unitA), b, c }, length)
    const [fast, slow] = interpret([companionKernel({ a: unitA, b, c }, length), powers], { inputs })
    const row = (value: ReferenceValue, head: number) => rowsOf(value)[head]!
    const expected = [0, 1].flatMap((head) =>
      naiveKernel(companionOf(unit(row(inputs.a, head))), row(inputs.b, head), row(inputs.c, head), length),
    )
    expectNear(slow!.data, expected, 'powers', 1e-5)
    expectNear(fast!.data, expected, 'spectral', 1e-4)
  })

  it('the spectral route holds where the paper divides by 0: eigenvalues on the unit circle', () => {
    // Σa = 1 with a ≥ 0 has the eigenvalue 1, and a = e₀ all roots of unity.
    const [a, b, c] = [
      [0.25, 0.25, 0.25, 0.25],
      [1, 0, 0, 0],
      [1, 2, 3, 4],
    ]
    for (const last of [a, [1, 0, 0, 0]]) {
      const kernel = companionKernel({ a: column(last), b: column(b), c: column(c) }, 128)
      expectNear(evaluate(kernel).data, naiveKernel(companionOf(last), b, c, 128), 'kernel', 1e-4)
    }
  })

  it('the spectral route has the gradients of central differences', () => {
    const shape = [2, 5]
    const inputs = { a: noise('a', shape), b: noise('b', shape), c: noise('c', shape), cotangent: noise('g', [2, 9]) }
    const [a, b, c] = (['a', 'b', 'c'] as const).map((name) => input(name, 'float32', shape)) as [Tensor, Tensor, Tensor]
    const kernel = companionKernel({ a: normalizedColumn(a), b, c }, 9)
    const slopes = interpret(pullback(kernel, input('cotangent', 'float32', [2, 9]), [a, b, c]), { inputs })
    for (const [i, leaf] of (['a', 'b', 'c'] as const).entries())
      expectNear(slopes[i]!.data, centralDifferences(kernel, inputs.cotangent, { inputs }, { leaf }), leaf, 1e-4)
  })
})

describe('linear systems', () => {
  const rows = noise('rows', [2, 3])
  const matrix = noise('matrix', [2, 3, 3])

  it.each([1, 2, 5, 8, 13])('powers up to %d, rising and falling', (length) => {
    const of = [input('rows', 'float32', rows.shape), input('matrix', 'float32', matrix.shape)] as const
    const outputs = [rowPowers(...of, length), rowPowers(...of, length, { falling: true })]
    const [rising, falling] = interpret(outputs, { inputs: { rows, matrix } })
    for (const head of [0, 1]) {
      const columns = rowsOf(matrix, head)[0]!.map((_, j) => rowsOf(matrix, head).map((row) => row[j]!))
      const expected: Row[] = [rowsOf(rows)[head]!]
      while (expected.length < length) expected.push(apply(columns, expected.at(-1)!))
      expectNear(rowsOf(rising!, head).flat(), expected.flat(), 'rising', 1e-9)
      expectNear(rowsOf(falling!, head).flat(), expected.toReversed().flat(), 'falling', 1e-9)
    }
  })

  it('a state after inputs, and the loop that follows, are the recurrence', () => {
    const named = { matrix, b: noise('b', [2, 3]), c: noise('c', [2, 3]), feedback: noise('k', [2, 3]) }
    const u = noise('u', [2, 7, 2])
    const leaves = Object.fromEntries(Object.entries(named).map(([name, { shape }]) => [name, input(name, 'float32', shape)]))
    const system = leaves as unknown as LinearSystem & { feedback: Tensor }
    const state = finalState(system, input('u', 'float32', u.shape))
    const { outputs, inputs } = closedLoop(system, state, 4)
    const [x, y, next] = interpret([state, outputs, inputs], { inputs: { ...named, u } })
    for (const row of [0, 1])
      for (const head of [0, 1]) {
        const [A, b, c, k] = [rowsOf(matrix, head), rowsOf(named.b)[head]!, rowsOf(named.c)[head]!, rowsOf(named.feedback)[head]!]
        let now: Row = rowsOf(u, row).reduce<Row>((before, inputRow) => plus(apply(A, before), b, inputRow[head]!), [0, 0, 0])
        expectNear(rowsOf(x!, row)[head]!, now, 'state', 1e-9)
        for (let step = 0; step < 4; step++) {
          expect(rowsOf(y!, row)[step]![head]).toBeCloseTo(dot(c, now), 8)
          expect(rowsOf(next!, row)[step]![head]).toBeCloseTo(dot(k, now), 8)
          now = plus(apply(A, now), b, dot(k, now))
        }
      }
  })

  it('forecast AR(4) exactly with a column set by hand', () => {
    const phi = [0.5, -0.3, 0.2, 0.25]
    const series = Array.from({ length: 40 }, (_, t) => Math.sin(t) + 0.3 * Math.cos(2.2 * t))
    const expected = [...series]
    for (let t = 40; t < 72; t++) expected.push(phi.reduce((sum, weight, lag) => sum + weight * expected[t - 1 - lag]!, 0))
    const last = column([0, 0, 0, 1])
    // Reads the series with A = shift, b = a; feeding the last state back makes A + b·k the companion matrix of a.
    const a = column(phi.toReversed())
    const shift = companionMatrix(column([0, 0, 0, 0]))
    const state = finalState({ matrix: shift, b: a }, constant(series, [1, 40, 1]))
    const { outputs, inputs } = closedLoop({ matrix: shift, b: a, c: last, feedback: last }, state, 32)
    expectNear(evaluate(outputs).data, expected.slice(40), 'closed loop', 1e-5)
    expectNear(evaluate(inputs).data, expected.slice(40), 'its inputs', 1e-5)
    // Left alone, the companion system of a runs the same recurrence.
    const alone = closedLoop({ matrix: companionMatrix(a), b: a, c: last, feedback: column([0, 0, 0, 0]) }, state, 32)
    expectNear(evaluate(alone.outputs).data, expected.slice(40), 'without inputs', 1e-5)
    // One step ahead over the whole history, by convolution.
    const ahead = longConvolution(constant(series, [1, 40, 1]), kernelByPowers({ matrix: shift, b: a, c: last }, 40))
    const oneStep = series.map((_, t) => phi.reduce((sum, weight, lag) => sum + weight * (series[t - lag] ?? 0), 0))
    expectNear(evaluate(ahead).data, oneStep, 'one step', 1e-5)
  })

  it('refuses inputs of other heads, and no steps', () => {
    const [A, b] = [companionMatrix(column([1, 2])), column([1, 2])]
    expect(() => finalState({ matrix: A, b }, input('u', 'float32', [1, 4, 2]))).toThrow(ShapeError)
    expect(() => rowPowers(b, A, 0)).toThrow(OptionError)
  })
})

describe('trained systems', () => {
  it.each<[string, () => StateSpace]>([
    ['companion', () => new Companion({ heads: 2, state: 6 })],
    ['diagonal, modes with frequencies', () => new Diagonal({ heads: 2, state: 6 })],
    ['diagonal, real modes', () => new Diagonal({ heads: 2, state: 6, start: 'real' })],
  ])('%s: the fast kernel is that of the system, and so are its gradients', (_name, create) => {
    const space = create()
    const { variables } = randomVariables(space as Module)
    const { matrix } = space.system()
    expect(matrix.shape).toEqual([2, 6, 6])
    const [fast, slow] = interpret([space.kernel(50), kernelByPowers(space.system(), 50)], { inputs: {}, variables })
    expectNear(fast!.data, slow!.data, 'kernel', 1e-4)
    checkLayerGradients(space as Module, (u) => longConvolution(u, space.kernel(7)), [1, 7, 2], { most: 4, tolerance: 1e-4 })
  })

  it('refuse bad sizes and unknown options', () => {
    expect(() => new Companion({ heads: 0, state: 4 })).toThrow(OptionError)
    expect(() => new Diagonal({ heads: 1, state: 5 })).toThrow(OptionError)
    expect(() => new Diagonal({ heads: 1, state: 4, start: 'legs' as 'lin' })).toThrow(OptionError)
    expect(() => new Diagonal({ heads: 1, state: 4, modes: 2 } as never)).toThrow(/unknown Diagonal option/)
    expect(() => new Companion({ heads: 1, state: 4, norm: 1 } as never)).toThrow(/unknown Companion option/)
  })
})
