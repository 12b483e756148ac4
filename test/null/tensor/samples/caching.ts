import * as t from '../../../../src/tensor/index.ts'
import { exactly, type OpSample, type OpSamples } from './sample.ts'

interface Shape {
  /** Index of each row's last slot. */
  readonly last: readonly number[]
  /** Fresh slots. */
  readonly slots: number
  readonly heads?: number
  readonly keyValueHeads?: number
  readonly capacity?: number
  readonly sinks?: true
  readonly options?: Partial<t.CachedAttentionOptions>
}

const headWidth = 8

/** What lies behind a row's last slot is not defined. */
function defined(cache: t.Tensor, last: t.Tensor): t.Tensor {
  const places = t.cast(t.range(cache.shape[2]!), 'int32')
  const held = t.lessOrEqual(t.reshape(places, [1, 1, -1, 1]), t.reshape(last, [-1, 1, 1, 1]))
  return t.where(held, cache, 0)
}

function sample(title: string, shape: Shape, pick: (attention: t.CachedAttention) => t.Tensor): OpSample {
  const { last, slots, heads = 4, keyValueHeads = 2, capacity = 12, sinks, options } = shape
  const [batch, total] = [last.length, Math.max(...last) + 1]
  return {
    title,
    operands: {
      query: { shape: [batch, slots, heads * headWidth] },
      key: { shape: [batch, slots, keyValueHeads * headWidth] },
      value: { shape: [batch, slots, keyValueHeads * headWidth] },
      pastKey: { shape: [batch, keyValueHeads, capacity, headWidth] },
      pastValue: { shape: [batch, keyValueHeads, capacity, headWidth] },
      last: { shape: [batch], dtype: 'int32', values: exactly(...last) },
      total: { shape: [1], dtype: 'int32', values: exactly(total) },
      bias: { shape: [1, 1, slots, total] },
      ...(sinks && { sinks: { shape: [heads] } }),
    },
    build: (operands) => {
      const { query, key, value, pastKey, pastValue, bias } = operands as Readonly<
        Record<'query' | 'key' | 'value' | 'pastKey' | 'pastValue' | 'bias', t.Tensor>
      >
      const whole = { query, key, value, pastKey, pastValue, last: operands.last!, total: operands.total!, bias }
      const given = operands.sinks === undefined ? whole : { ...whole, sinks: operands.sinks }
      const { mixed, key: keys, value: values } = t.cachedAttention(given, { heads, keyValueHeads, scale: 0.4, ...options })
      return pick({ mixed, key: defined(keys, whole.last), value: defined(values, whole.last) })
    },
  }
}

const shapes: Readonly<Record<string, Shape>> = {
  'one slot behind a past': { last: [5], slots: 1 },
  'rows of different lengths': { last: [5, 0, 11], slots: 1 },
  'several slots behind a past': { last: [8], slots: 3 },
  'a first prompt': { last: [4], slots: 5 },
  'as many heads of keys as of queries': { last: [6, 3], slots: 1, keyValueHeads: 4 },
  'a window': { last: [9, 2], slots: 1, options: { window: 4 } },
  'a window over several slots': { last: [9], slots: 4, options: { window: 3 } },
  'capped scores': { last: [7], slots: 2, options: { softCap: 2 } },
  sinks: { last: [7, 3], slots: 1, sinks: true },
}

const samplesOf = (pick: (attention: t.CachedAttention) => t.Tensor) =>
  Object.entries(shapes).map(([title, shape]) => sample(title, shape, pick))

export const cachingSamples = {
  cachedAttention: {
    dtypes: ['float32'],
    gradient: 'none: caches are for inference',
    tolerance: 1e-5,
    samples: samplesOf(({ mixed }) => mixed),
  },
  grownCache: {
    dtypes: ['float32'],
    gradient: 'none: caches are for inference',
    samples: [...samplesOf(({ key }) => key), ...samplesOf(({ value }) => value)],
  },
} as const satisfies Record<string, OpSamples>
