import * as t from '../../../../src/tensor/index.ts'
import { distinct, exactly, floats, normal, numbers, type OpSample, type OpSamples, repeated, type Values } from './sample.ts'

type Reduce = (x: t.TensorOperand, axes?: number | readonly number[], options?: t.ReduceOptions) => t.Tensor

function reduceSamples(op: Reduce, values: Values): OpSample[] {
  const x = (...shape: (number | string)[]) => ({ x: { shape, values } })
  return [
    { title: 'the last axis', operands: x(2, 3, 5), build: ({ x }) => op(x!, -1) },
    { title: 'the first axis', operands: x(2, 3, 5), build: ({ x }) => op(x!, 0) },
    { title: 'two axes, given backwards', operands: x(2, 3, 5), build: ({ x }) => op(x!, [2, 0]) },
    { title: 'all axes', operands: x(2, 3, 5), build: ({ x }) => op(x!) },
    { title: 'axes kept', operands: x(2, 3, 5), build: ({ x }) => op(x!, [1, -1], { keep: true }) },
    { title: 'all axes kept', operands: x(3, 5), build: ({ x }) => op(x!, undefined, { keep: true }) },
    { title: 'an axis of size 1', operands: x(3, 1, 2), build: ({ x }) => op(x!, 1) },
    { title: 'rank 0', operands: x(), build: ({ x }) => op(x!) },
    { title: 'a named axis', operands: x('N', 'T', 2), sizes: { N: 3, T: 5 }, build: ({ x }) => op(x!, 1) },
  ]
}

function lineSamples(op: (x: t.Tensor, axis: number) => t.Tensor, values: Values): OpSample[] {
  const x = (...shape: (number | string)[]) => ({ x: { shape, values } })
  return [
    { title: 'the last axis', operands: x(3, 5), build: ({ x }) => op(x!, -1) },
    { title: 'the first axis', operands: x(3, 5), build: ({ x }) => op(x!, 0) },
    { title: 'a middle axis', operands: x(2, 5, 3), build: ({ x }) => op(x!, -2) },
    { title: 'one axis alone', operands: x(7), build: ({ x }) => op(x!, 0) },
    { title: 'an axis of size 1', operands: x(3, 1), build: ({ x }) => op(x!, 1) },
    { title: 'a named axis', operands: x('N', 'T'), sizes: { N: 3, T: 4 }, build: ({ x }) => op(x!, 1) },
  ]
}

const extremes: OpSample = {
  title: 'large logits',
  operands: { x: { shape: [2, 3], values: exactly(1000, 999, -1000, 5, 80, -3e4) } },
  build: ({ x }) => t.softmax(x!),
}

export const reductionSamples = {
  sum: { dtypes: numbers, gradient: 'checked', samples: reduceSamples(t.sum, normal) },
  max: { dtypes: [...numbers, 'uint8'], gradient: 'checked', samples: reduceSamples(t.max, distinct) },
  softmax: { dtypes: floats, gradient: 'checked', samples: [...lineSamples(t.softmax, normal), extremes] },
  logSoftmax: {
    dtypes: floats,
    gradient: 'checked',
    samples: [...lineSamples(t.logSoftmax, normal), { ...extremes, build: ({ x }) => t.logSoftmax(x!) }],
  },
  cumulativeSum: {
    dtypes: numbers,
    gradient: 'checked',
    samples: [
      ...lineSamples((x, axis) => t.cumulativeSum(x, axis), normal),
      ...[true, false].flatMap((exclusive) =>
        [true, false].map((reverse) => ({
          title: `exclusive ${exclusive}, reverse ${reverse}`,
          operands: { x: { shape: [2, 5] } },
          build: ({ x }: Readonly<Record<string, t.Tensor>>) => t.cumulativeSum(x!, 1, { exclusive, reverse }),
        })),
      ),
    ],
  },
  argmax: {
    dtypes: [...numbers, 'uint8'],
    gradient: 'none: an index',
    samples: [
      ...lineSamples((x, axis) => t.argmax(x, axis), distinct),
      { title: 'the first of equals', operands: { x: { shape: [4, 6], values: repeated } }, build: ({ x }) => t.argmax(x!) },
    ],
  },
} as const satisfies Record<string, OpSamples>
