import * as t from '../../../../src/tensor/index.ts'
import type { OpSample, OpSamples, Values } from './sample.ts'

const bytes: Values = (rng, count) => Array.from({ length: count }, (_, i) => rng.integerAt(i, 256))
const small: Values = (rng, count) => Array.from({ length: count }, (_, i) => rng.normalAt(i) / 16)

interface Case {
  readonly title: string
  readonly x: readonly (number | string)[]
  readonly rows: number
  readonly bits: t.WeightBits
  readonly blockSize: number
}

const cases: readonly Case[] = [
  { title: '4 bits, two blocks of 16', x: [3, 32], rows: 5, bits: 4, blockSize: 16 },
  { title: '4 bits, one row of x', x: [1, 64], rows: 3, bits: 4, blockSize: 32 },
  { title: '4 bits, one block of 128', x: [2, 2, 128], rows: 2, bits: 4, blockSize: 128 },
  { title: '8 bits, blocks of 32', x: [5, 64], rows: 4, bits: 8, blockSize: 32 },
  { title: '8 bits, one row of weights', x: [2, 16], rows: 1, bits: 8, blockSize: 16 },
  { title: '8 bits, a block of 256', x: [2, 256], rows: 2, bits: 8, blockSize: 256 },
  { title: '4 bits, a last block of 13', x: [3, 45], rows: 3, bits: 4, blockSize: 32 },
  { title: '8 bits, less than a block', x: [2, 11], rows: 3, bits: 8, blockSize: 16 },
  { title: 'named sizes', x: ['N', 'T', 48], rows: 3, bits: 4, blockSize: 16 },
]

const samples = cases.map(({ title, x, rows, bits, blockSize }): OpSample => {
  const perRow = Math.ceil((x.at(-1) as number) / blockSize)
  return {
    title,
    operands: {
      x: { shape: x },
      blocks: { shape: [rows, perRow, (blockSize * bits) / 8], dtype: 'uint8', values: bytes },
      scales: { shape: [rows, perRow], values: small },
    },
    sizes: { N: 2, T: 3 },
    build: ({ x, blocks, scales }) => t.matmulQuantized(x!, blocks!, scales!, { bits }),
  }
})

export const quantizedSamples = {
  matmulQuantized: { dtypes: ['float32'], gradient: 'checked', tolerance: 2e-5, samples },
} as const satisfies Record<string, OpSamples>
