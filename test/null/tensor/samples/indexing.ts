import * as t from '../../../../src/tensor/index.ts'
import { allDTypes, distinct, exactly, floats, indices, numbers, type OpSample, type OpSamples } from './sample.ts'

const ids = (shape: readonly (number | string)[], below: number, dtype: 'int32' | 'int64' = 'int32', negative = false) => ({
  shape,
  dtype,
  values: indices(below, negative),
})

const scatterBases: OpSample[] = [
  {
    title: 'repeated indices',
    operands: { x: { shape: [3, 5] }, ids: ids([3, 7], 5), updates: { shape: [3, 7] } },
    build: ({ x, ids, updates }) => t.scatterElements(x!, ids!, updates!, -1, 'add'),
  },
  {
    title: 'the first axis, repeated',
    operands: { x: { shape: [4, 3] }, ids: ids([9, 3], 4, 'int64', true), updates: { shape: [9, 3] } },
    build: ({ x, ids, updates }) => t.scatterElements(x!, ids!, updates!, 0, 'add'),
  },
]

export const indexingSamples = {
  gather: {
    dtypes: allDTypes,
    gradient: 'checked',
    samples: [
      { title: 'rows', operands: { x: { shape: [5, 3] }, ids: ids([2, 4], 5) }, build: ({ x, ids }) => t.gather(x!, ids!) },
      {
        title: 'rows counted from the end',
        operands: { x: { shape: [5, 3] }, ids: ids([7], 5, 'int64', true) },
        build: ({ x, ids }) => t.gather(x!, ids!),
      },
      { title: 'a single row', operands: { x: { shape: [5, 3] }, ids: ids([], 5) }, build: ({ x, ids }) => t.gather(x!, ids!) },
      { title: 'of a vector', operands: { x: { shape: [5] }, ids: ids([2, 2], 5) }, build: ({ x, ids }) => t.gather(x!, ids!) },
      {
        title: 'the last axis',
        operands: { x: { shape: [2, 3, 5] }, ids: ids([4], 5) },
        build: ({ x, ids }) => t.gather(x!, ids!, -1),
      },
      {
        title: 'a middle axis, by a matrix',
        operands: { x: { shape: [2, 5, 3] }, ids: ids([2, 3], 5, 'int64') },
        build: ({ x, ids }) => t.gather(x!, ids!, 1),
      },
      {
        title: 'a table of more than 256 rows',
        operands: { x: { shape: [300, 2] }, ids: ids([13], 300, 'int32', true) },
        build: ({ x, ids }) => t.gather(x!, ids!),
      },
      {
        title: 'named sizes',
        operands: { x: { shape: ['C', 3] }, ids: ids(['N', 'T'], 4) },
        sizes: { C: 4, N: 2, T: 3 },
        build: ({ x, ids }) => t.gather(x!, ids!),
      },
      {
        title: 'no indices',
        operands: { x: { shape: [4, 3] }, ids: ids(['N'], 4) },
        sizes: { N: 0 },
        build: ({ x, ids }) => t.gather(x!, ids!),
      },
    ],
  },
  gatherElements: {
    dtypes: allDTypes,
    gradient: 'checked',
    samples: [
      {
        title: 'the last axis',
        operands: { x: { shape: [3, 5] }, ids: ids([3, 2], 5) },
        build: ({ x, ids }) => t.gatherElements(x!, ids!),
      },
      {
        title: 'the first axis, counted from the end',
        operands: { x: { shape: [4, 3] }, ids: ids([7, 3], 4, 'int64', true) },
        build: ({ x, ids }) => t.gatherElements(x!, ids!, 0),
      },
      {
        title: 'fewer rows of indices than of values',
        operands: { x: { shape: [4, 5] }, ids: ids([2, 3], 5) },
        build: ({ x, ids }) => t.gatherElements(x!, ids!),
      },
      {
        title: 'named sizes',
        operands: { x: { shape: ['N', 5] }, ids: ids(['N', 1], 5) },
        sizes: { N: 3 },
        build: ({ x, ids }) => t.gatherElements(x!, ids!),
      },
    ],
  },
  scatterElements: {
    dtypes: numbers,
    gradient: 'checked',
    tolerance: 1e-5,
    samples: [
      ...scatterBases,
      {
        title: 'different indices, overwritten',
        operands: {
          x: { shape: [2, 5] },
          ids: { shape: [2, 3], dtype: 'int32', values: exactly(4, 0, 2, 1, -2, 0) },
          updates: { shape: [2, 3] },
        },
        build: ({ x, ids, updates }) => t.scatterElements(x!, ids!, updates!),
      },
      {
        title: 'fewer rows of indices than of values',
        operands: { x: { shape: [4, 5] }, ids: ids([2, 3], 5), updates: { shape: [2, 3] } },
        build: ({ x, ids, updates }) => t.scatterElements(x!, ids!, updates!, 1, 'add'),
      },
    ],
  },
  oneHot: {
    dtypes: ['int32', 'int64'],
    gradient: 'none: of an index',
    samples: allDTypes.flatMap((to): OpSample[] => [
      { title: `as ${to}`, operands: { ids: { shape: [2, 3], values: indices(5) } }, build: ({ ids }) => t.oneHot(ids!, 5, to) },
      {
        title: `negative and too large indices as ${to}`,
        operands: { ids: { shape: [5], values: exactly(-1, 0, 2, 3, -3) } },
        build: ({ ids }) => t.oneHot(ids!, 3, to),
      },
      { title: `rank 0 as ${to}`, operands: { ids: { shape: [], values: indices(3) } }, build: ({ ids }) => t.oneHot(ids!, 3, to) },
    ]),
  },
  topKIndices: {
    dtypes: floats,
    gradient: 'none: an index',
    samples: [
      { title: 'the last axis', operands: { x: { shape: [3, 7], values: distinct } }, build: ({ x }) => t.topK(x!, 3).indices },
      { title: 'the first axis', operands: { x: { shape: [5, 2], values: distinct } }, build: ({ x }) => t.topK(x!, 2, 0).indices },
      { title: 'all', operands: { x: { shape: [5], values: distinct } }, build: ({ x }) => t.topK(x!, 5).indices },
      {
        title: 'equals, the first first',
        operands: { x: { shape: [5], values: exactly(1, 2, 2, 1, 2) } },
        build: ({ x }) => t.topK(x!, 4).indices,
      },
      {
        title: 'values',
        operands: { x: { shape: [2, 'N'], values: distinct } },
        sizes: { N: 6 },
        build: ({ x }) => t.topK(x!, 2).values,
      },
    ],
  },
} as const satisfies Record<string, OpSamples>
