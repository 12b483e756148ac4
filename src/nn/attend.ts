import type { Dimension } from '../tensor/index.ts'
import { add, customGradient, matmul, multiply, reshape, softmax, subtract, sum, type Tensor } from '../tensor/index.ts'

/**
 * softmax(q·kᵀ·scale + bias)·v. Queries are `[batch, kvHead, group·query, headWidth]` (the heads that share a key folded into the
 * slots), keys and values `[batch, kvHead, key, headWidth]`, bias `[batch or 1, 1, query, key]`. The backward pass uses
 * Σ_k P·dP = Σ_d O·dO, which is a sum over the head's width instead of over the keys. Dao et al. 2022, eq. 4 of appendix B.
 */
export function attend(query: Tensor, key: Tensor, value: Tensor, bias: Tensor, scale: number): Tensor {
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

/** Adds a bias per query to scores whose query axis holds several heads' queries one after another. */
function addBias(scores: Tensor, bias: Tensor): Tensor {
  const [batch, heads, folded, keys] = scores.shape as [Dimension, Dimension, Dimension, Dimension]
  const queries = bias.shape[2]!
  if (String(folded) === String(queries)) return add(scores, bias)
  const unfolded = reshape(scores, [batch, heads, -1, queries, keys])
  return reshape(add(unfolded, reshape(bias, bias.shape.toSpliced(1, 0, 1))), scores.shape)
}
