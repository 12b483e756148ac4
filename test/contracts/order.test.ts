import type { Layout } from '../../src/base/model.ts'
import { blocks, packed, prefix, raster, reverseRaster } from '../../src/orders/index.ts'
import { type OrderSubject, printSubjects, runOrderContract } from './order-contract.ts'
import * as sketched from './sketched-orders.ts'

const layout = (...shapes: number[][]): Layout => ({ parts: shapes.map((shape) => ({ shape })) })
const texts = [layout([2]), layout([7]), layout([2, 3]), layout([2, 2], [1, 3])]

/** Which sample a slot of `packed(lengths)` belongs to, counted by hand. */
function sampleOf(slot: number, lengths: readonly number[]): number {
  let start = 0
  return lengths.findIndex((length) => {
    start += length
    return slot < start
  })
}

const shipped: OrderSubject[] = [
  { order: raster(), layouts: texts, expected: (q, k) => k <= q },
  { order: reverseRaster(), layouts: texts, expected: (q, k) => k <= q },
  { order: blocks(1), layouts: texts, expected: (q, k) => k <= q },
  {
    order: blocks(2),
    layouts: [layout([3]), layout([8]), layout([3, 3])],
    expected: (q, k) => Math.floor(k / 2) <= Math.floor(q / 2),
  },
  { order: blocks(5), layouts: [layout([12]), layout([6])], expected: (q, k) => k < 5 || (q >= 5 && k < 10) || q >= 10 },
  { order: prefix(0), layouts: texts, expected: (q, k) => k <= q },
  // slot 3 is fed with the last given value: slots 0 to 3 see one another
  { order: prefix(3), layouts: [layout([4]), layout([9]), layout([3, 2])], expected: (q, k) => k <= q || (q <= 3 && k <= 3) },
  { order: packed([5]), layouts: [layout([5])], expected: (q, k) => k <= q },
  {
    order: packed([3, 1, 4]),
    layouts: [layout([8])],
    expected: (q, k) => k <= q && sampleOf(q, [3, 1, 4]) === sampleOf(k, [3, 1, 4]),
  },
]

const sketches: OrderSubject[] = [
  { order: sketched.scales, layouts: [layout([1, 1], [2, 2], [3, 3])] },
  {
    order: sketched.masked,
    layouts: [layout([9]), layout([3, 4])],
    skip: { 'training mask = decoding steps': 'all see all, so every step lays out a fresh plan and nothing is cached' },
  },
  { order: sketched.blockDiffusion(3), layouts: [layout([9]), layout([7])] },
  {
    order: sketched.noisyHistory,
    layouts: [layout([6])],
    skip: { 'nothing sees what it predicts': 'histories are noise here, which the stub network draws apart from the values' },
  },
  { order: sketched.permuted, layouts: [layout([8]), layout([2, 3])] },
  { order: sketched.delayed, layouts: [layout([4], [4], [4])] },
  { order: sketched.neighbours, layouts: [layout([3, 3]), layout([2, 4])] },
  { order: sketched.selfDrafts(3), layouts: [layout([9])] },
  { order: sketched.streamed, layouts: [layout([8])], expected: (q, k) => k <= q && (q - k < 3 || k === 0) },
  { order: sketched.frames, layouts: [layout([4, 2, 2])] },
]

printSubjects([...shipped, ...sketches])
for (const subject of [...shipped, ...sketches]) runOrderContract(subject)
