import { multiplyDimensions, symbol } from '../../../../src/tensor/dimension.ts'
import { cast, constant, range, scalar, size, sum, variable } from '../../../../src/tensor/index.ts'
import { allDTypes, normal, type OpSamples } from './sample.ts'

const everywhere = [...allDTypes]

export const leafSamples = {
  input: {
    dtypes: everywhere,
    gradient: 'none: a leaf',
    samples: [
      { title: 'a matrix given back', operands: { x: { shape: [3, 5] } }, build: ({ x }) => x! },
      { title: 'rank 0', operands: { x: { shape: [] } }, build: ({ x }) => x! },
      { title: 'named sizes', operands: { x: { shape: ['N', 'T'] } }, sizes: { N: 2, T: 7 }, build: ({ x }) => x! },
      { title: 'no elements', operands: { x: { shape: ['N', 3] } }, sizes: { N: 0 }, build: ({ x }) => x! },
    ],
  },
  variable: {
    dtypes: everywhere,
    gradient: 'none: a leaf',
    samples: [
      {
        title: 'first values are zeros',
        operands: { x: { shape: [2] } },
        build: (_operands, dtype) => variable({ shape: [2, 3], dtype }).tensor,
      },
    ],
  },
  constant: {
    dtypes: everywhere,
    gradient: 'none: a leaf',
    samples: [
      {
        title: 'values of any dtype',
        operands: { x: { shape: [1] } },
        build: (_operands, dtype) => constant([1, 0, dtype === 'bool' || dtype === 'uint8' ? 1 : -7, 1], [2, 2], dtype),
      },
      { title: 'no elements', operands: { x: { shape: [1] } }, build: (_operands, dtype) => constant([], [0, 3], dtype) },
      { title: 'rank 0', operands: { x: { shape: [1] } }, build: (_operands, dtype) => constant([1], [], dtype) },
    ],
  },
  scalar: {
    dtypes: everywhere,
    gradient: 'none: a leaf',
    samples: [{ title: 'one', operands: { x: { shape: [1] } }, build: (_operands, dtype) => scalar(1, dtype) }],
  },
  size: {
    dtypes: everywhere,
    gradient: 'none: an integer of the shape',
    samples: [
      { title: 'a named size', operands: { x: { shape: ['N', 2] } }, sizes: { N: 3 }, build: () => size(symbol('N')) },
      {
        title: 'a product of sizes',
        operands: { x: { shape: ['N', 'T'] } },
        sizes: { N: 3, T: 5 },
        build: ({ x }) => size(multiplyDimensions(x!.shape[0]!, x!.shape[1]!)),
      },
      { title: 'a known size', operands: { x: { shape: [4] } }, build: () => size(4) },
    ],
  },
  range: {
    dtypes: everywhere,
    gradient: 'none: an integer of the shape',
    samples: [
      { title: 'a named length', operands: { x: { shape: ['N'] } }, sizes: { N: 5 }, build: () => range(symbol('N')) },
      { title: 'a known length', operands: { x: { shape: [2] } }, build: () => sum(cast(range(4), 'float32')) },
      { title: 'nothing', operands: { x: { shape: ['N'], values: normal } }, sizes: { N: 0 }, build: () => range(symbol('N')) },
    ],
  },
} as const satisfies Record<string, OpSamples>
