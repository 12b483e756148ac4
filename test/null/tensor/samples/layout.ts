import { addDimensions, subtractDimensions, symbol } from '../../../../src/tensor/dimension.ts'
import * as t from '../../../../src/tensor/index.ts'
import { allDTypes, type OpSamples } from './sample.ts'

const [n, length] = [symbol('N'), symbol('T')]

export const layoutSamples = {
  reshape: {
    dtypes: allDTypes,
    gradient: 'checked',
    samples: [
      { title: 'known sizes', operands: { x: { shape: [3, 4] } }, build: ({ x }) => t.reshape(x!, [2, 6]) },
      { title: 'one inferred', operands: { x: { shape: [3, 4] } }, build: ({ x }) => t.reshape(x!, [2, -1, 3]) },
      { title: 'to rank 0', operands: { x: { shape: [1, 1] } }, build: ({ x }) => t.reshape(x!, []) },
      { title: 'from rank 0', operands: { x: { shape: [] } }, build: ({ x }) => t.reshape(x!, [1, 1]) },
      {
        title: 'one named size',
        operands: { x: { shape: ['N', 6] } },
        sizes: { N: 4 },
        build: ({ x }) => t.reshape(x!, ['N', 2, 3]),
      },
      {
        title: 'two named sizes folded and unfolded',
        operands: { x: { shape: ['N', 'T', 3] } },
        sizes: { N: 2, T: 5 },
        build: ({ x }) => t.transpose(t.reshape(t.transpose(t.reshape(x!, [-1, 3])), [3, n, length]), [1, 2, 0]),
      },
      {
        title: 'a sum of sizes',
        operands: { x: { shape: ['T', 4] }, y: { shape: ['C', 4] } },
        sizes: { T: 2, C: 3 },
        build: ({ x, y }) => t.reshape(t.concat([x!, y!], 0), [addDimensions(symbol('C'), length), 2, 2]),
      },
      {
        title: 'no elements, two named sizes',
        operands: { x: { shape: ['N', 'T', 4] } },
        sizes: { N: 2, T: 0 },
        build: ({ x }) => t.reshape(t.reshape(x!, [-1, 4]), [n, length, 2, 2]),
      },
      { title: 'no elements', operands: { x: { shape: [0, 4] } }, build: ({ x }) => t.reshape(x!, [2, 0]) },
      { title: 'squeeze and unsqueeze', operands: { x: { shape: [3, 1] } }, build: ({ x }) => t.unsqueeze(t.squeeze(x!, -1), 0) },
    ],
  },
  transpose: {
    dtypes: allDTypes,
    gradient: 'checked',
    samples: [
      { title: 'a matrix', operands: { x: { shape: [3, 5] } }, build: ({ x }) => t.transpose(x!) },
      { title: 'a cycle', operands: { x: { shape: [2, 3, 5] } }, build: ({ x }) => t.transpose(x!, [2, 0, 1]) },
      {
        title: 'a cycle after another permutation',
        operands: { x: { shape: [2, 3, 4, 5] } },
        build: ({ x }) => t.transpose(t.transpose(x!, [3, 0, 2, 1]), [1, 3, 0, 2]),
      },
      {
        title: 'named sizes',
        operands: { x: { shape: ['N', 3, 'T'] } },
        sizes: { N: 2, T: 4 },
        build: ({ x }) => t.transpose(x!, [2, 1, 0]),
      },
      {
        title: 'there and back',
        operands: { x: { shape: [2, 3, 4] } },
        build: ({ x }) => t.transpose(t.transpose(x!, [1, 2, 0]), [2, 0, 1]),
      },
    ],
  },
  expand: {
    dtypes: allDTypes,
    gradient: 'checked',
    samples: [
      { title: 'an axis', operands: { x: { shape: [3, 1] } }, build: ({ x }) => t.expand(x!, [3, 4]) },
      { title: 'new axes', operands: { x: { shape: [3] } }, build: ({ x }) => t.expand(x!, [2, 4, 3]) },
      { title: 'rank 0', operands: { x: { shape: [] } }, build: ({ x }) => t.expand(x!, [2, 3]) },
      {
        title: 'to named sizes',
        operands: { x: { shape: ['N', 1] }, like: { shape: ['T'] } },
        sizes: { N: 2, T: 3 },
        build: ({ x }) => t.expand(x!, ['N', 'T']),
      },
      { title: 'to nothing', operands: { x: { shape: [1, 3] } }, build: ({ x }) => t.expand(x!, [0, 3]) },
    ],
  },
  slice: {
    dtypes: allDTypes,
    gradient: 'checked',
    samples: [
      { title: 'the middle', operands: { x: { shape: [3, 7] } }, build: ({ x }) => t.slice(x!, 1, 2, 5) },
      { title: 'from the end', operands: { x: { shape: [3, 7] } }, build: ({ x }) => t.slice(x!, -1, -3) },
      { title: 'nothing', operands: { x: { shape: [3, 7] } }, build: ({ x }) => t.slice(x!, 0, 2, 2) },
      {
        title: 'the last of a named axis',
        operands: { x: { shape: ['N', 3] } },
        sizes: { N: 4 },
        build: ({ x }) => t.slice(x!, 0, -1),
      },
      {
        title: 'a named length',
        operands: { x: { shape: ['T', 3] }, y: { shape: ['C'] } },
        sizes: { T: 5, C: 2 },
        build: ({ x }) => t.slice(x!, 0, symbol('C')),
      },
      {
        title: 'equal pieces joined the other way round',
        operands: { x: { shape: [2, 6] } },
        build: ({ x }) => t.concat(t.split(x!, 1, 3).toReversed(), 1),
      },
      {
        title: 'named pieces',
        operands: { x: { shape: ['T', 2] }, y: { shape: ['C'] } },
        sizes: { T: 5, C: 2 },
        build: ({ x }) => t.concat(t.split(x!, 0, [symbol('C'), subtractDimensions(length, symbol('C'))]).toReversed(), 0),
      },
    ],
  },
  pad: {
    dtypes: allDTypes,
    gradient: 'checked',
    samples: [
      { title: 'both ends', operands: { x: { shape: [2, 3] } }, build: ({ x }) => t.pad(x!, 1, 2, 1) },
      { title: 'a negative axis', operands: { x: { shape: [2, 3] } }, build: ({ x }) => t.pad(x!, -2, 0, 3) },
      { title: 'nothing', operands: { x: { shape: [2, 3] } }, build: ({ x }) => t.pad(x!, 0, 0, 0) },
      { title: 'an empty axis', operands: { x: { shape: [0, 3] } }, build: ({ x }) => t.pad(x!, 0, 1, 1) },
      {
        title: 'a named size',
        operands: { x: { shape: ['T', 2] }, y: { shape: ['C'] } },
        sizes: { T: 3, C: 2 },
        build: ({ x }) => t.pad(x!, 0, symbol('C'), 1),
      },
    ],
  },
  concat: {
    dtypes: allDTypes,
    gradient: 'checked',
    samples: [
      {
        title: 'three of different sizes',
        operands: { a: { shape: [2, 1] }, b: { shape: [2, 3] }, c: { shape: [2, 2] } },
        build: ({ a, b, c }) => t.concat([a!, b!, c!], -1),
      },
      { title: 'the same twice', operands: { a: { shape: [2, 3] } }, build: ({ a }) => t.concat([a!, a!], 0) },
      {
        title: 'a past and new slots',
        operands: { a: { shape: ['B', 2, 'C', 3] }, b: { shape: ['B', 2, 'T', 3] } },
        sizes: { B: 2, C: 4, T: 1 },
        build: ({ a, b }) => t.concat([a!, b!], 2),
      },
      {
        title: 'an empty one',
        operands: { a: { shape: ['C', 3] }, b: { shape: [2, 3] } },
        sizes: { C: 0 },
        build: ({ a, b }) => t.concat([a!, b!], 0),
      },
    ],
  },
} as const satisfies Record<string, OpSamples>
