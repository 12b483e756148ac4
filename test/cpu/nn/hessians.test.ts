import { afterAll, beforeAll, expect, it } from 'vitest'
import { DataError } from '../../../src/base/errors.ts'
import { createRng } from '../../../src/base/rng.ts'
import { collectHessians } from '../../../src/nn/hessians.ts'
import { Embedding, initialize, Linear } from '../../../src/nn/index.ts'
import { type Device, openDevice } from '../../../src/platform/index.ts'
import { float32, multiply, sum, type Tensor, type Variable } from '../../../src/tensor/index.ts'

let device: Device
beforeAll(async () => {
  device = await openDevice({ worker: false, threads: 1 })
})
afterAll(() => device[Symbol.asyncDispose]())

const width = 5
const batches = [0, 1, 2].map((i) => ({ x: createRng(i).fillNormal(new Float32Array(2 * 3 * width)) }))

async function layers() {
  class Layers {
    readonly first = new Linear(width, width)
    readonly second = new Linear(width, 2)
    readonly unused = new Embedding(4, width)
  }
  const module = new Layers()
  await initialize(module, createRng(9))
  return module
}

it('sums x·xᵀ over all that a weight is multiplied with, in every place and batch', async () => {
  const { first, second, unused } = await layers()
  const forward = ({ x }: Readonly<Record<string, Tensor>>) => sum(second.forward(first.forward(multiply(first.forward(x!), 2))))
  const weights = [first, second, unused].map(({ weight }) => weight as Variable)
  const found = await collectHessians(weights, { inputs: { x: float32(2, 'T', width) }, forward, batches, device })
  expect([...found.keys()]).toEqual(weights.slice(0, 2))
  const matrix = (await weights[0]!.read()) as Float32Array
  const apply = (row: readonly number[]) =>
    Array.from({ length: width }, (_, o) => row.reduce((total, value, k) => total + value * matrix[o * width + k]!, 0))
  const rows = batches.flatMap(({ x }) => Array.from({ length: 6 }, (_, r) => [...x.subarray(r * width, (r + 1) * width)]))
  const middle = rows.map((row) => apply(row).map((value) => 2 * value))
  expectGram(found.get(weights[0]!)!, [...rows, ...middle])
  expectGram(found.get(weights[1]!)!, middle.map(apply))
})

function expectGram(actual: Float64Array, rows: readonly (readonly number[])[]): void {
  for (let i = 0; i < width; i++) {
    for (let j = 0; j < width; j++) {
      const expected = rows.reduce((total, row) => total + row[i]! * row[j]!, 0)
      expect(actual[i * width + j], `${i}, ${j}`).toBeCloseTo(expected, 4)
    }
  }
}

it('has nothing where no weight is multiplied, and refuses to look at nothing', async () => {
  const { first, unused } = await layers()
  const calibration = { inputs: { x: float32(2, 3, width) }, forward: ({ x }: { x?: Tensor }) => first.forward(x!), device }
  expect(await collectHessians([unused.weight as Variable], { ...calibration, batches })).toEqual(new Map())
  await expect(collectHessians([first.weight as Variable], { ...calibration, batches: [] })).rejects.toThrow(DataError)
})
