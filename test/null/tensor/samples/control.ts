import * as t from '../../../../src/tensor/index.ts'
import { allDTypes, floats, numbers, type OpSamples } from './sample.ts'

export const controlSamples = {
  stopGradient: {
    dtypes: allDTypes,
    gradient: 'none: that is what it is for',
    samples: [
      { title: 'of an input', operands: { x: { shape: [3] } }, build: ({ x }) => t.stopGradient(x!) },
      { title: 'of a view', operands: { x: { shape: [2, 3] } }, build: ({ x }) => t.transpose(t.stopGradient(t.transpose(x!))) },
    ],
  },
  customGradient: {
    dtypes: numbers,
    gradient: 'checked',
    samples: [
      {
        title: 'a product with the right gradient',
        operands: { a: { shape: [3, 2] }, b: { shape: [3, 2] } },
        build: ({ a, b }) =>
          t.customGradient(
            [a!, b!],
            ([a, b]) => t.multiply(a!, b!),
            (gradient, _result, [a, b]) => [t.multiply(gradient, b!), t.multiply(gradient, a!)],
          ),
      },
    ],
  },
  barrier: {
    dtypes: floats,
    gradient: 'checked',
    samples: [
      {
        title: 'after a matrix',
        operands: { x: { shape: [3, 2] } },
        build: ({ x }) => t.barrier(t.exp(x!), t.stopGradient(t.matmul(x!, x!, { transposeB: true }))),
      },
      { title: 'after a scalar', operands: { x: { shape: [] } }, build: ({ x }) => t.barrier(x!, t.scalar(2, x!.dtype)) },
    ],
  },
} as const satisfies Record<string, OpSamples>
