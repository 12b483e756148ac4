import type { Layout } from '../../src/base/model.ts'
import {
  blocks,
  cells,
  masked,
  neighbours,
  oneShot,
  packed,
  permuted,
  prefix,
  raster,
  reverseRaster,
  scales,
  twoStreams,
} from '../../src/orders/index.ts'
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

/** Orders of pictures. What they draw is written down slot by slot, from the descriptions of their papers. */
const pictures: OrderSubject[] = [
  // slots 0 | 1 2 3 4 | 5 … 13: the last slot of the own scale bounds what is seen
  { order: scales(), layouts: [layout([1, 1], [2, 2], [3, 3])], expected: (q, k) => k <= (q < 1 ? 0 : q < 5 ? 4 : 13) },
  { order: scales(), layouts: [layout([1, 1], [1, 2], [3, 4]), layout([2], [3], [5]), layout([4, 4])] },
  // condition | 0 | 1 3 | 2 4 6 | 5 7, the values of a 3 × 3 grid by y + x
  {
    order: neighbours(),
    layouts: [layout([3, 3])],
    expected: (q, k) => [0, 1, 2, 2, 3, 3, 3, 4, 4][k]! <= [0, 1, 2, 2, 3, 3, 3, 4, 4][q]!,
  },
  { order: neighbours(), layouts: [layout([2, 4]), layout([5]), layout([2, 3, 2]), layout([1, 1])] },
  { order: masked(), layouts: [layout([5]), layout([2, 3]), layout([1], [2])], expected: () => true },
  { order: masked({ known: [1, 0, 0, 1, 1, 0] }), layouts: [layout([6]), layout([2, 3])], expected: () => true },
  { order: oneShot(), layouts: [layout([5]), layout([2, 3])], expected: () => true },
  // four cells of 2 × 2, noised, block-causal
  { order: cells({ unit: 'cell', groups: 4 }), layouts: [layout([4, 4])], expected: (q, k) => k < 4 * Math.ceil((q + 1) / 4) },
  { order: cells({ unit: 'subsample', groups: [1, 2] }), layouts: [layout([2, 4])], expected: (q, k) => q >= 4 || k < 4 },
  { order: cells({ unit: 'token' }), layouts: [layout([4]), layout([2, 3])], expected: (q, k) => k <= q },
  { order: cells({ unit: 'image' }), layouts: [layout([3, 2])], expected: () => true },
  { order: cells({ unit: 'scale' }), layouts: [layout([1, 1], [2, 2])], expected: (q, k) => q >= 1 || k < 1 },
  // slots: 3 noisy, their 3 clean copies, 3 noisy, 3 clean, 3 noisy
  {
    order: cells({ unit: 'cell', groups: 3, context: 'clean' }),
    layouts: [layout([9])],
    expected: (q, k) =>
      [
        [0, 1, 2],
        [3, 4, 5],
        [3, 4, 5, 6, 7, 8],
        [3, 4, 5, 9, 10, 11],
        [3, 4, 5, 9, 10, 11, 12, 13, 14],
      ][Math.floor(q / 3)]!.includes(k),
  },
  { order: cells({ unit: 'subsample', groups: [2, 1], context: 'clean' }), layouts: [layout([4, 3]), layout([2, 2])] },
  { order: cells({ unit: 'token', context: 'clean' }), layouts: [layout([4]), layout([1, 3])] },
  { order: cells({ unit: 'image', context: 'clean' }), layouts: [layout([4])], expected: () => true },
  {
    order: permuted([2, 0, 3, 1, 5, 4]),
    layouts: [layout([6]), layout([2, 3]), layout([2, 1], [4, 1])],
    expected: (q, k) => k <= q,
  },
  // query and copy take turns: copies see copies up to themselves, queries themselves and the copies before
  {
    order: twoStreams([2, 0, 3, 1]),
    layouts: [layout([4]), layout([2, 2])],
    expected: (q, k) => (k % 2 === 1 && k < q) || k === q,
  },
]

const sketches: OrderSubject[] = [
  { order: sketched.noisyHistory, layouts: [layout([6])] },
  { order: sketched.delayed, layouts: [layout([4], [4], [4])] },
  { order: sketched.selfDrafts(3), layouts: [layout([9])] },
  { order: sketched.streamed, layouts: [layout([8])], expected: (q, k) => k <= q && (q - k < 3 || k === 0) },
  { order: sketched.frames, layouts: [layout([4, 2, 2])] },
]

const subjects = [...shipped, ...pictures, ...sketches]
printSubjects(subjects)
for (const subject of subjects) runOrderContract(subject)
