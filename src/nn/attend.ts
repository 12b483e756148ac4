import type { Dimension } from '../tensor/index.ts'
import {
  add,
  concat,
  customGradient,
  divide,
  expand,
  matmul,
  multiply,
  reshape,
  slice,
  softmax,
  subtract,
  sum,
  type Tensor,
  type TensorOperand,
  tanh,
} from '../tensor/index.ts'
import { toTensor } from '../tensor/tensor.ts'

export interface AttendOptions {
  readonly scale: number
  /** Scores become softCap·tanh(score / softCap) before the bias. */
  readonly softCap?: number
  /** `[head]`: logits that take part in the softmax and add nothing to its result. */
  readonly sinks?: TensorOperand
}

/**
 * softmax(q·kᵀ·scale + bias)·v. Queries are `[batch, kvHead, group·query, headWidth]` (the heads that share a key folded into the
 * slots), keys and values `[batch, kvHead, key, headWidth]`, bias `[batch or 1, 1, query, key]`. Without a bias every query sees every key,
 * and heads share no keys.
 */
export function attend(query: Tensor, key: Tensor, value: Tensor, bias: Tensor | undefined, options: AttendOptions): Tensor {
  const { scale, softCap, sinks } = options
  if (softCap === undefined && sinks === undefined) return plainAttend(query, key, value, bias, scale)
  const scores = matmul(query, key, { transposeB: true, scale })
  const capped = softCap === undefined ? scores : multiply(tanh(divide(scores, softCap)), softCap)
  const biased = addBias(capped, bias)
  if (sinks === undefined) return matmul(softmax(biased), value)
  return matmul(softmaxWithSinks(biased, toTensor(sinks), (bias ?? query).shape[2]!), value)
}

/** Uses Σ_k P·dP = Σ_d O·dO backwards: a sum over the head's width instead of over the keys. Dao et al. 2022, eq. 4 of appendix B. */
function plainAttend(query: Tensor, key: Tensor, value: Tensor, bias: Tensor | undefined, scale: number): Tensor {
  let weights: Tensor | undefined
  return customGradient(
    [query, key, value],
    ([q, k, v]) => {
      weights = softmax(addBias(matmul(q!, k!, { transposeB: true, scale }), bias))
      return matmul(weights, v!)
    },
    (gradient, output, [q, k, v]) => {
      const along = sum(multiply(gradient, output), -1, { keep: true })
      const dScores = multiply(weights!, subtract(matmul(gradient, v!, { transposeB: true }), along))
      const dQuery = matmul(dScores, k!, { scale })
      const dKey = matmul(dScores, q!, { transposeA: true, scale })
      return [dQuery, dKey, matmul(weights!, gradient, { transposeA: true })]
    },
  )
}

/** Softmax over keys and one more logit per head, whose share is dropped. Agarwal et al. 2025 (gpt-oss); Miller 2023. */
function softmaxWithSinks(scores: Tensor, sinks: Tensor, queries: Dimension): Tensor {
  const [batch, keyValueHeads, folded, keys] = scores.shape as [Dimension, number, Dimension, Dimension]
  const group = (sinks.shape[0] as number) / keyValueHeads
  const column = expand(reshape(sinks, [1, keyValueHeads, group, 1, 1]), [batch, keyValueHeads, group, queries, 1])
  const extended = concat([scores, reshape(column, [batch, keyValueHeads, folded, 1])], -1)
  return reshape(slice(softmax(extended), -1, 0, -1), [batch, keyValueHeads, folded, keys])
}

/** Adds a bias per query to scores whose query axis holds several heads' queries one after another. */
function addBias(scores: Tensor, bias: Tensor | undefined): Tensor {
  if (bias === undefined) return scores
  const [batch, heads, folded, keys] = scores.shape as [Dimension, Dimension, Dimension, Dimension]
  const queries = bias.shape[2]!
  if (String(folded) === String(queries)) return add(scores, bias)
  const unfolded = reshape(scores, [batch, heads, -1, queries, keys])
  return reshape(add(unfolded, reshape(bias, bias.shape.toSpliced(1, 0, 1))), scores.shape)
}
