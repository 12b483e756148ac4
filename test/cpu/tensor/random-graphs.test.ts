import fc from 'fast-check'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type Device, openDevice } from '../../../src/platform/index.ts'
import {
  abs,
  add,
  compile,
  concat,
  cos,
  cumulativeSum,
  divide,
  expand,
  float32,
  fromReference,
  gather,
  gelu,
  gradients,
  greater,
  interpret,
  layerNorm,
  logSoftmax,
  logSumExp,
  matmul,
  max,
  maximum,
  mean,
  multiply,
  range,
  relu,
  reshape,
  rmsNorm,
  sigmoid,
  silu,
  slice,
  softmax,
  split,
  sqrt,
  square,
  subtract,
  sum,
  type Tensor,
  tanh,
  transpose,
  where,
} from '../../../src/tensor/index.ts'
import { noise } from '../../null/tensor/finite-differences.ts'
import { expectEqual } from './compare.ts'

let device: Device
beforeAll(async () => {
  device = await openDevice({ worker: false, threads: 2 })
})
afterAll(() => device[Symbol.asyncDispose]())

const [rows, width] = [4, 6]

/** Operations from `['N', 4, 6]` to the same shape, whose results stay small: what models are made of, and what the runtime fuses. */
const operations: readonly ((a: Tensor, b: Tensor) => Tensor)[] = [
  add,
  subtract,
  (a, b) => multiply(a, tanh(b)),
  (a, b) => divide(a, add(1, square(b))),
  (a, b) => maximum(a, b),
  (a, b) => where(greater(a, 0), b, a),
  (a) => relu(a),
  (a) => gelu(a),
  (a) => silu(a),
  (a) => multiply(multiply(a, 0.5), add(1, tanh(multiply(a, 0.8)))),
  (a) => cos(a),
  (a) => sqrt(add(abs(a), 0.1)),
  (a) => softmax(a),
  (a) => softmax(a, 1),
  (a) => multiply(logSoftmax(a), 0.3),
  (a) => subtract(a, logSumExp(a, -1, { keep: true })),
  (a) => subtract(a, mean(a, [1, 2], { keep: true })),
  (a) => subtract(a, max(a, 1, { keep: true })),
  (a) => multiply(cumulativeSum(a, 1), 0.25),
  (a, b) => layerNorm(a, slice(reshape(mean(b, 0), [rows * width]), 0, 0, width), undefined, 1e-2),
  (a) => rmsNorm(a, expand(mean(a), [width]), 1e-2),
  (a, b) => matmul(matmul(a, b, { transposeB: true, scale: 0.2 }), b, { scale: 0.5 }),
  (a, b) => matmul(softmax(matmul(a, b, { transposeB: true })), a),
  (a, b) => reshape(matmul(reshape(a, [-1, width]), matmul(mean(b, 0), mean(a, 0), { transposeA: true })), a.shape),
  (a) => transpose(sigmoid(transpose(a, [2, 0, 1])), [1, 2, 0]),
  (a, b) => concat([slice(a, 1, 2), slice(b, 1, 0, 2)], 1),
  (a) => concat(split(a, -1, 3).toReversed(), -1),
  (a) => gather(a, subtract(range(rows), 2), 1),
  (a, b) => add(a, sum(multiply(a, b), [0, 2], { keep: true })),
]

const anyGraph = fc.record({
  steps: fc.array(fc.record({ op: fc.nat(operations.length - 1), a: fc.nat(20), b: fc.nat(20) }), { minLength: 1, maxLength: 8 }),
  batch: fc.integer({ min: 1, max: 3 }),
})

it('random graphs and their gradients are the same in the runtime, with all its fusions, and in the interpreter', async () => {
  await fc.assert(
    fc.asyncProperty(anyGraph, async ({ steps, batch }) => {
      const build = ({ x, y }: Readonly<Record<'x' | 'y', Tensor>>) => {
        const values = [x, y]
        for (const { op, a, b } of steps) values.push(operations[op]!(values[a % values.length]!, values[b % values.length]!))
        const result = values.at(-1)!
        const [dx, dy] = gradients(mean(square(result)), [x, y])
        return { result, dx: dx!, dy: dy! }
      }
      const program = compile({ x: float32('N', rows, width), y: float32('N', rows, width) }, build, { device })
      const inputs = Object.fromEntries(
        ['x', 'y'].map((name) => {
          const { shape, data } = noise(name, [batch, rows, width])
          return [name, { shape, data: data.map(Math.fround) }]
        }),
      )
      const feeds = { x: fromReference(inputs.x!, 'float32'), y: fromReference(inputs.y!, 'float32') }
      const results = await program.run(feeds)
      const names = ['result', 'dx', 'dy'] as const
      const expected = interpret(
        names.map((name) => program.trace.outputs.get(name)!),
        { inputs },
      )
      await program.dispose()
      for (const [i, name] of names.entries()) {
        expect(Array.from(results[name].data as Float32Array).every(Number.isFinite), name).toBe(true)
        expectEqual(results[name], expected[i]!, name, 2e-4)
      }
    }),
    { seed: 5, numRuns: Number(process.env.FUZZ_RUNS ?? 100) },
  )
})
