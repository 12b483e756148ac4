import * as t from '../../../../src/tensor/index.ts'
import { floats, type OpSample, type OpSamples } from './sample.ts'

const flags = [false, true]

/** Every combination of transposed operands, at ranks that take different kernels. */
const combinations: OpSample[] = (
  [
    ['matrices', [], []],
    ['batches', [2, 3], [2, 3]],
    ['a batch over a matrix', [2], []],
    ['a matrix over a batch', [], [2]],
    ['batches that broadcast both ways', [2, 1], [1, 3]],
  ] as const
).flatMap(([name, batchA, batchB]) =>
  flags.flatMap((transposeA) =>
    flags.flatMap((transposeB) =>
      [1, 0.3].map((scale) => ({
        title: `${name}, transposeA ${transposeA}, transposeB ${transposeB}, scale ${scale}`,
        operands: {
          a: { shape: [...batchA, ...(transposeA ? [4, 5] : [5, 4])] },
          b: { shape: [...batchB, ...(transposeB ? [3, 4] : [4, 3])] },
        },
        build: ({ a, b }: Readonly<Record<string, t.Tensor>>) => t.matmul(a!, b!, { transposeA, transposeB, scale }),
      })),
    ),
  ),
)

export const linearSamples = {
  matmul: {
    dtypes: floats,
    gradient: 'checked',
    tolerance: 1e-5,
    samples: [
      ...combinations,
      { title: 'sizes of 1', operands: { a: { shape: [1, 1] }, b: { shape: [1, 1] } }, build: ({ a, b }) => t.matmul(a!, b!) },
      {
        title: 'a dot product',
        operands: { a: { shape: [1, 7] }, b: { shape: [1, 7] } },
        build: ({ a, b }) => t.matmul(a!, b!, { transposeB: true }),
      },
      {
        title: 'named sizes',
        operands: { a: { shape: ['N', 'T', 4] }, b: { shape: ['N', 4, 'C'] } },
        sizes: { N: 2, T: 3, C: 5 },
        build: ({ a, b }) => t.matmul(a!, b!),
      },
      {
        title: 'a named inner size',
        operands: { a: { shape: ['T', 3] }, b: { shape: ['T', 2] } },
        sizes: { T: 5 },
        build: ({ a, b }) => t.matmul(a!, b!, { transposeA: true }),
      },
      {
        title: 'transposed operands that become flags',
        operands: { a: { shape: [2, 4, 5] }, b: { shape: [2, 3, 4] } },
        build: ({ a, b }) => t.matmul(t.transpose(a!), t.transpose(b!), { scale: 2 }),
      },
      {
        title: 'a transposed operand that is transposed again',
        operands: { a: { shape: [5, 4] }, b: { shape: [4, 3] } },
        build: ({ a, b }) => t.matmul(t.transpose(a!), b!, { transposeA: true }),
      },
    ],
  },
} as const satisfies Record<string, OpSamples>
