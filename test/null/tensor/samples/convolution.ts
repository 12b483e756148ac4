import * as t from '../../../../src/tensor/index.ts'
import type { OpSample, OpSamples } from './sample.ts'

type Operands = Readonly<Record<string, t.Tensor>>

interface Case {
  readonly title: string
  readonly x: readonly (number | string)[]
  readonly w: readonly number[]
  readonly options?: t.TransposedConvolutionOptions
  readonly sizes?: Readonly<Record<string, number>>
}

const plain: readonly Case[] = [
  { title: '1-D', x: [2, 3, 7], w: [4, 3, 3] },
  { title: '1-D, one of everything', x: [1, 1, 1], w: [1, 1, 1] },
  { title: '1-D, stride that leaves a rest', x: [2, 2, 8], w: [3, 2, 3], options: { stride: 2 } },
  { title: '1-D, causal padding, dilation', x: [2, 2, 6], w: [2, 2, 3], options: { padding: [[4, 0]], dilation: 2 } },
  { title: '1-D, depthwise', x: [2, 3, 5], w: [3, 1, 2], options: { groups: 3 } },
  {
    title: '1-D, groups, stride, dilation, padding',
    x: [2, 4, 9],
    w: [6, 2, 2],
    options: { groups: 2, stride: 3, dilation: 2, padding: 1 },
  },
  { title: '2-D', x: [2, 3, 5, 4], w: [2, 3, 3, 2] },
  {
    title: '2-D, different per axis',
    x: [1, 2, 6, 7],
    w: [2, 2, 2, 3],
    options: {
      stride: [2, 3],
      dilation: [1, 2],
      padding: [
        [1, 0],
        [2, 1],
      ],
    },
  },
  { title: '2-D, groups', x: [2, 4, 4, 4], w: [4, 2, 3, 3], options: { groups: 2, padding: 1, stride: 2 } },
  { title: 'named batch', x: ['N', 2, 5], w: [3, 2, 2], sizes: { N: 3 }, options: { stride: 2 } },
]

const transposed: readonly Case[] = [
  { title: '1-D', x: [2, 3, 4], w: [3, 2, 3] },
  { title: '1-D, stride and output padding', x: [2, 2, 4], w: [2, 3, 3], options: { stride: 2, outputPadding: 1, padding: 1 } },
  { title: '1-D, groups and dilation', x: [2, 4, 3], w: [4, 1, 2], options: { groups: 2, dilation: 2 } },
  { title: '2-D', x: [1, 2, 3, 2], w: [2, 2, 2, 3], options: { stride: [2, 1] } },
  {
    title: '2-D, groups, different per axis',
    x: [2, 2, 3, 3],
    w: [2, 2, 3, 2],
    options: {
      groups: 2,
      stride: [1, 2],
      padding: [
        [1, 1],
        [0, 1],
      ],
    },
  },
  { title: 'named batch', x: ['N', 2, 3], w: [2, 2, 2], sizes: { N: 2 }, options: { stride: 2 } },
]

function sampleOf(
  { title, x, w, options, sizes }: Case,
  convolve: (axes: number) => (x: t.Tensor, w: t.Tensor, o?: object) => t.Tensor,
): OpSample {
  return {
    title,
    operands: { x: { shape: x }, w: { shape: w } },
    ...(sizes && { sizes }),
    build: (operands: Operands) => convolve(x.length - 2)(operands.x!, operands.w!, options),
  }
}

const convolveOf = (axes: number) => (axes === 1 ? t.conv1d : t.conv2d)
const transposeOf = (axes: number) => (axes === 1 ? t.convTranspose1d : t.convTranspose2d)

export const convolutionSamples = {
  convolution: {
    dtypes: ['float32', 'float16'],
    gradient: 'checked',
    tolerance: 1e-5,
    samples: plain.map((each) => sampleOf(each, convolveOf)),
  },
  transposedConvolution: {
    dtypes: ['float32', 'float16'],
    gradient: 'checked',
    tolerance: 1e-5,
    samples: transposed.map((each) => sampleOf(each, transposeOf)),
  },
} as const satisfies Record<string, OpSamples>
