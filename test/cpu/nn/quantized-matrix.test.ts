import { afterAll, beforeAll, expect, it } from 'vitest'
import { createRng } from '../../../src/base/rng.ts'
import { QuantizedMatrix } from '../../../src/nn/index.ts'
import { type Device, openDevice } from '../../../src/platform/index.ts'
import { compile, float32, int32 } from '../../../src/tensor/index.ts'
import { randomBlocks, weightsOf } from '../../null/nn/block-values.ts'

let device: Device
beforeAll(async () => {
  device = await openDevice({ worker: false, threads: 1 })
})
afterAll(() => device[Symbol.asyncDispose]())

const [rows, batch] = [24, 7]

/**
 * How far kernels that round x to 8 bits may be off: in each block of x, values are multiples of max|x|/127, so that each is off by
 * half of that at most, times |w|.
 */
function roundingBound(x: Float32Array, weight: readonly number[], row: number, blockSize: number): number {
  const columns = weight.length
  let bound = 0
  for (let start = 0; start < columns; start += blockSize) {
    const block = x.subarray(row * columns + start, row * columns + Math.min(columns, start + blockSize))
    const half = block.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0) / 254
    bound += half * weight.slice(start, start + blockSize).reduce((sum, w) => sum + Math.abs(w), 0)
  }
  return bound
}

const cases = ([4, 8] as const).flatMap((bits) =>
  [16, 32, 64, 128, 256].flatMap((blockSize) => [256, 172, 333].map((columns) => ({ bits, blockSize, columns }))),
)

it.each(cases)('$bits bits in blocks of $blockSize, $columns wide: products as part of a session, fed, and rows', async (each) => {
  const { columns, ...format } = each
  const matrix = new QuantizedMatrix(rows, columns, format)
  const values = randomBlocks(rows, columns, format)
  await matrix.write(values)
  const weights = weightsOf(values, columns)
  const x = createRng(5).fillNormal(new Float32Array(batch * columns))
  const exact = Array.from({ length: batch * rows }, (_, i) => {
    const from = Math.floor(i / rows) * columns
    return weights[i % rows]!.reduce((sum, w, k) => sum + w * x[from + k]!, 0)
  })
  for (const frozen of [false, true]) {
    const program = compile(
      { x: float32('N', columns), ids: int32('I') },
      ({ x, ids }) => ({ y: matrix.product(x), picked: matrix.rows(ids) }),
      { device, frozen },
    )
    const { y, picked } = await program.run({ x, ids: Int32Array.of(3, 0) })
    await program.dispose()
    expect(Array.from(picked.data, Number)).toEqual([...weights[3]!, ...weights[0]!].map(Math.fround))
    for (const [i, value] of exact.entries()) {
      const slack = 1e-5 * Math.max(1, Math.abs(value))
      const bound = frozen ? roundingBound(x, weights[i % rows]!, Math.floor(i / rows), format.blockSize) : 0
      expect(Math.abs(Number(y.data[i]) - value), `element ${i}, frozen ${frozen}`).toBeLessThanOrEqual(bound * 1.01 + slack)
    }
  }
})
