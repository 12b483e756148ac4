import { OptionError } from '../base/errors.ts'
import { refuseUnknown } from '../base/options.ts'
import { createRng, type Rng } from '../base/rng.ts'
import {
  constant,
  cumulativeSum,
  expand,
  gather,
  gatherElements,
  lessOrEqual,
  matmul,
  max,
  mean,
  multiply,
  pad,
  range,
  reshape,
  scalar,
  scatterElements,
  slice,
  stopGradient,
  subtract,
  sum,
  type Tensor,
  topK,
  where,
} from '../tensor/index.ts'
import { attend } from './attend.ts'
import { attentionScale, checkSelf, type Mixing } from './head-mixer.ts'

export interface SparseMixingOptions {
  /** factor·⌈ln keys⌉ keys are sampled, and factor·⌈ln queries⌉ queries attend. The paper has 5. */
  readonly factor: number
  /** Of the sampled keys. Layers should have different ones. */
  readonly seed: number | bigint
  /** Slot i sees the slots up to i. Default false. */
  readonly causal?: boolean
}

/** So many neighbouring queries share a sample of keys: their scores are matrix products then, ten times as fast as one by one. */
const sharing = 16

/**
 * ProbSparse attention: only the queries whose attention is far from uniform get it. Zhou et al. 2021 (Informer), section 3.2. Over a
 * sample of U = min(keys, factor·⌈ln keys⌉) keys, M(q) = max q·k − Σ q·k / keys; the u = min(queries, factor·⌈ln queries⌉) queries with the
 * largest M attend to all keys, and the others get the mean of the values. Causal: those attend to the keys up to their own place, and the
 * others get the sum of the values up to theirs, as in the authors' code; which queries attend is chosen with all keys in view there too.
 *
 * The samples (without repetition, one per 16 neighbouring queries) are drawn from `createRng(seed)` when the mixing is traced and are
 * constants of the program: the same in every run, for training and forecasts alike. Gradients do not flow through the choice.
 *
 * Throws OptionError on a factor that is not positive or a bad seed, and on unknown options; causal, the mixing throws ShapeError when
 * queries and keys differ in number.
 */
export function sparseMixing(options: SparseMixingOptions): Mixing {
  refuseUnknown(options, ['factor', 'seed', 'causal'], 'sparseMixing')
  const { factor, causal = false } = options
  if (!(factor > 0 && factor < Number.POSITIVE_INFINITY))
    throw new OptionError(`factor is ${factor}`, { expected: 'a finite number > 0' })
  const rng = createRng(options.seed)
  return (query, key, value) => {
    if (causal) checkSelf(query, key)
    const [queries, keys] = [query.shape[2] as number, key.shape[2] as number]
    const measured = peakedness(
      stopGradient(query),
      sampledKeys(stopGradient(key), { rng, queries, count: few(factor, keys) }),
      keys,
    )
    const { indices } = topK(measured, few(factor, queries))
    const bias = causal ? behindBias(indices, keys, query.dtype) : undefined
    const places = expand(reshape(indices, [...indices.shape, 1]), [...indices.shape, query.shape[3]!])
    const attended = attend(gatherElements(query, places, 2), key, value, bias, { scale: attentionScale(query) })
    return scatterElements(lazyMixture(query, value, causal), places, attended, 2)
  }
}

/** factor·⌈ln count⌉, at least 1 and at most all. */
function few(factor: number, count: number): number {
  return Math.min(count, Math.max(1, Math.floor(factor * Math.ceil(Math.log(count)))))
}

interface Sampling {
  readonly rng: Rng
  readonly queries: number
  /** How many keys each query sees. */
  readonly count: number
}

/** `[batch, head, key, headWidth]` → `[batch, head, group of queries, sampled, headWidth]`; all keys, once, where the sample is not smaller. */
function sampledKeys(key: Tensor, { rng, queries, count }: Sampling): Tensor {
  const keys = key.shape[2] as number
  if (count === keys) return reshape(key, key.shape.toSpliced(2, 0, 1))
  const groups = Math.ceil(queries / sharing)
  const table = Array.from({ length: groups }, (_, group) => [...rng.fold(group).permutation(keys).subarray(0, count)]).flat()
  return gather(key, constant(table, [groups, count], 'int32'), 2)
}

/** M of each query: `[batch, head, query]`. Informer, equation 4, with the mean over all keys estimated as in the authors' code. */
function peakedness(query: Tensor, sampled: Tensor, keys: number): Tensor {
  const [batch, heads, queries, width] = query.shape as [number, number, number, number]
  const groups = Math.ceil(queries / sharing)
  const padded = pad(query, 2, 0, groups * sharing - queries)
  const scores = matmul(reshape(padded, [batch, heads, groups, sharing, width]), sampled, { transposeB: true })
  const measured = subtract(max(scores, -1), multiply(sum(scores, -1), 1 / keys))
  return slice(reshape(measured, [batch, heads, groups * sharing]), 2, 0, queries)
}

/** `[batch, head, chosen, key]`: 0 up to the chosen query's place, very negative behind it. */
function behindBias(indices: Tensor, keys: number, dtype: Tensor['dtype']): Tensor {
  const seen = lessOrEqual(range(keys), reshape(indices, [...indices.shape, 1]))
  return where(seen, 0, scalar(-1e9, dtype))
}

/** What queries that do not attend get: the mean of the values, or their sum so far. */
function lazyMixture(query: Tensor, value: Tensor, causal: boolean): Tensor {
  return causal ? cumulativeSum(value, 2) : expand(mean(value, 2, { keep: true }), query.shape)
}
