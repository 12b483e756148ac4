import { ShapeError } from '../base/errors.ts'
import type { Plan } from '../base/model.ts'
import { type CategoricalHead, categoricalLogProb } from '../heads/index.ts'
import { constantColumns, type Transformer } from '../nn/index.ts'
import { constant, divide, multiply, negate, sum, type Tensor } from '../tensor/index.ts'

/** A backbone over ids and the head that reads it. */
export interface Predictor {
  readonly backbone: Transformer
  readonly head: CategoricalHead
}

/** Hidden states of a whole plan at once (teacher forcing): int ids `[batch, slot]` as fed → `[batch, slot, width]`. */
export function teacherForced({ backbone }: Predictor, plan: Plan, ids: Tensor): Tensor {
  if (ids.shape[1] !== plan.length) throw new ShapeError(`ids ${ids} for a plan of ${plan.length} slots`)
  const position = constant(Int32Array.from(plan.position[0]!), [1, plan.length], 'int32')
  const slots = { embedded: backbone.embed(ids, position), position, columns: constantColumns(plan), visibility: plan.visibility }
  return backbone.forward(slots).hidden
}

/**
 * Mean −log p(target) in nats over the plan's predicting slots, weighted by its loss weights and by `weights`. `ids` and `targets` are
 * int `[batch, slot]`, what each slot is fed and what it predicts; `weights` is float `[batch, slot]`, 0 for padding.
 */
export function negativeLogLikelihood(predictor: Predictor, plan: Plan, ids: Tensor, targets: Tensor, weights: Tensor): Tensor {
  const logits = predictor.head.logits(teacherForced(predictor, plan, ids))
  const logProbs = categoricalLogProb(logits, targets)
  const counted = multiply(weights, constant(plan.weight, [1, plan.length]))
  return negate(divide(sum(multiply(logProbs, counted)), sum(counted)))
}
