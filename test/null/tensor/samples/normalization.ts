import * as t from '../../../../src/tensor/index.ts'
import { exactly, floats, type OpSample, type OpSamples } from './sample.ts'

const shapes = [[3, 5], [5], [2, 1, 4], [3, 1], ['N', 'T', 4]] as const
const sizes = { N: 2, T: 3 }

const samples = (norm: (operands: Readonly<Record<string, t.Tensor>>) => t.Tensor, bias: boolean): OpSample[] =>
  shapes.map((shape) => {
    const width = shape.at(-1)!
    return {
      title: `[${shape}]${bias ? ' with bias' : ''}`,
      operands: { x: { shape }, scale: { shape: [width] }, ...(bias && { bias: { shape: [width] } }) },
      sizes,
      build: norm,
    }
  })

export const normalizationSamples = {
  layerNorm: {
    dtypes: floats,
    gradient: 'checked',
    tolerance: 1e-5,
    samples: [
      ...samples(({ x, scale }) => t.layerNorm(x!, scale!, undefined, 1e-5), false),
      ...samples(({ x, scale, bias }) => t.layerNorm(x!, scale!, bias!, 0.1), true),
      {
        title: 'a row of equal values',
        operands: { x: { shape: [1, 4], values: exactly(3, 3, 3, 3) }, scale: { shape: [4] } },
        build: ({ x, scale }) => t.layerNorm(x!, scale!, undefined, 1e-3),
      },
    ],
  },
  rmsNorm: {
    dtypes: floats,
    gradient: 'checked',
    tolerance: 1e-5,
    samples: [
      ...samples(({ x, scale }) => t.rmsNorm(x!, scale!, 1e-5), false),
      {
        title: 'a row of zeros',
        operands: { x: { shape: [1, 4], values: exactly(0, 0, 0, 0) }, scale: { shape: [4] } },
        build: ({ x, scale }) => t.rmsNorm(x!, scale!, 0.25),
      },
    ],
  },
} as const satisfies Record<string, OpSamples>
