import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { DTypeError, ShapeError } from '../../../src/base/errors.ts'
import { categoricalLogProb } from '../../../src/heads/index.ts'
import { type Device, openDevice } from '../../../src/platform/index.ts'
import { compile, float32, input, int32, int64, interpret, pullback } from '../../../src/tensor/index.ts'
import { centralDifferences, expectNear, noise } from '../../null/tensor/finite-differences.ts'

const [rows, slots, classes] = [2, 3, 5]

let device: Device
beforeAll(async () => {
  device = await openDevice({ worker: false, threads: 1 })
})
afterAll(() => device[Symbol.asyncDispose]())

/** log p of the targets, and the gradient of Σ cotangent · log p, in the runtime. */
async function run(logits: Float32Array, targets: readonly number[], cotangent: Float32Array, wide = false) {
  const specs = {
    logits: float32(rows, slots, classes),
    targets: (wide ? int64 : int32)(rows, slots),
    cotangent: float32(rows, slots),
  }
  const program = compile(
    specs,
    (given) => {
      const logProb = categoricalLogProb(given.logits, given.targets)
      return { logProb, gradient: pullback(logProb, given.cotangent, [given.logits])[0]! }
    },
    { device },
  )
  const ids = wide ? BigInt64Array.from(targets, BigInt) : Int32Array.from(targets)
  const { logProb, gradient } = await program.run({ logits, targets: ids, cotangent })
  expect([logProb.shape, gradient.shape]).toEqual([
    [rows, slots],
    [rows, slots, classes],
  ])
  return { logProb: logProb.data as Float32Array, gradient: gradient.data as Float32Array }
}

/** log-softmax in doubles, about the largest logit. */
function logSoftmaxOf(row: readonly number[]): number[] {
  const top = Math.max(...row)
  const total = Math.log(row.reduce((sum, x) => sum + Math.exp(x - top), 0))
  return row.map((x) => x - top - total)
}

const rowsOf = (logits: Float32Array) =>
  Array.from({ length: rows * slots }, (_, i) => [...logits.subarray(i * classes, (i + 1) * classes)])
const random = Float32Array.from(noise('logits', [rows * slots * classes]).data, (x) => 3 * x)
const ones = new Float32Array(rows * slots).fill(1)

/** Extremes among the logits: alone, several alike, of both signs, and everywhere. */
const extreme = Float32Array.from([
  ...[1e4, 0, -1e4, 0, 1],
  ...[1e4, 1e4, 0, -1e4, 5],
  ...[-1e4, -1e4, -1e4, -1e4, -1e4],
  ...[1e4, 1e4, 1e4, 1e4, 1e4],
  ...[-1e4, 0, 0, 0, 0],
  ...[0, 0, 0, 0, 1e4],
])

describe.each([
  ['random', random],
  ['extreme', extreme],
])('categoricalLogProb of %s logits', (_name, logits) => {
  it('is the log-softmax at the target, and sums to one over all targets', async () => {
    const expected = rowsOf(logits).map(logSoftmaxOf)
    const totals = new Float64Array(rows * slots)
    for (let target = 0; target < classes; target++) {
      const { logProb } = await run(logits, new Array<number>(rows * slots).fill(target), ones, target % 2 === 1)
      expectNear(
        logProb,
        expected.map((row) => row[target]!),
        `target ${target}`,
        2e-6,
      )
      for (const [i, value] of logProb.entries()) totals[i]! += Math.exp(value)
    }
    expectNear(totals, ones, 'sum over targets', 1e-6)
  })

  it('has the gradient one-hot − softmax, times what comes in', async () => {
    const targets = [0, 3, 2, 4, 4, 1]
    const cotangent = Float32Array.from(noise('cotangent', [rows * slots]).data)
    const { gradient } = await run(logits, targets, cotangent)
    const expected = rowsOf(logits).flatMap((row, i) =>
      logSoftmaxOf(row).map((value, id) => cotangent[i]! * (Number(id === targets[i]) - Math.exp(value))),
    )
    expectNear(gradient, expected, 'gradient', 1e-6)
  })
})

it('has the gradient of finite differences', () => {
  const leaves = { inputs: { logits: noise('logits', [3, 4]), targets: { shape: [3], data: Float64Array.of(0, 3, 1) } } }
  const logits = input('logits', 'float64', [3, 4])
  const logProb = categoricalLogProb(logits, input('targets', 'int32', [3]))
  const cotangent = noise('cotangent', [3])
  const traced = input('cotangent', 'float64', [3])
  const [gradient] = interpret(pullback(logProb, traced, [logits]), { inputs: { ...leaves.inputs, cotangent } })
  expectNear(gradient!.data, centralDifferences(logProb, cotangent, leaves, { leaf: 'logits' }), 'gradient')
})

it('takes rows of any rank, and unknown sizes', () => {
  const shapes = [[classes], [2, classes], ['B', 'T', classes], [1, 2, 3, classes]] as const
  for (const shape of shapes) {
    const logProb = categoricalLogProb(input('x', 'float32', shape), input('y', 'int32', shape.slice(0, -1)))
    expect(logProb.shape.map(String)).toEqual(shape.slice(0, -1).map(String))
  }
})

describe('targets that do not fit are refused', () => {
  const logits = input('logits', 'float32', [2, 3, classes])
  it.each([
    ['a rank too few', [2]],
    ['as many as logits', [2, 3, classes]],
    ['one per row and a one', [2, 3, 1]],
    ['fewer slots', [2, 2]],
    ['more slots', [2, 4]],
    ['fewer rows', [1, 3]],
    ['rows of unknown number', ['B', 3]],
    ['a scalar', []],
  ])('%s', (_name, shape) => {
    expect(() => categoricalLogProb(logits, input('targets', 'int32', shape))).toThrow(ShapeError)
  })

  it('floats', () => {
    expect(() => categoricalLogProb(logits, input('targets', 'float32', [2, 3]))).toThrow(DTypeError)
  })

  it('a scalar of logits', () => {
    expect(() => categoricalLogProb(input('logits', 'float32', []), input('targets', 'int32', []))).toThrow(ShapeError)
  })
})
