import * as t from '../../../../src/tensor/index.ts'
import { indices, type OpSample, type OpSamples } from './sample.ts'

function sample(
  title: string,
  { heads, width, half, batch = 2, slots = 3 }: { heads: number; width: number; half: number; batch?: number; slots?: number },
): OpSample {
  return {
    title,
    operands: {
      x: { shape: [batch, slots, heads * width] },
      places: { shape: [batch, slots], dtype: 'int64', values: indices(7) },
      cosine: { shape: [7, half] },
      sine: { shape: [7, half] },
    },
    build: ({ x, places, cosine, sine }) => t.rotatePairs(x!, places!, { cosine: cosine!, sine: sine! }, heads),
  }
}

export const rotarySamples = {
  rotatePairs: {
    dtypes: ['float32'],
    gradient: 'none: the kernel is for inference, training rotates by plain operators',
    samples: [
      sample('whole heads', { heads: 2, width: 8, half: 4 }),
      sample('one head', { heads: 1, width: 16, half: 8, batch: 1 }),
      sample('some channels of heads', { heads: 3, width: 16, half: 4 }),
      sample('one slot', { heads: 2, width: 8, half: 4, batch: 3, slots: 1 }),
    ],
  },
} as const satisfies Record<string, OpSamples>
