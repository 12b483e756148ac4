import { ContextError, OptionError, ShapeError } from '../base/errors.ts'
import type { Plan } from '../base/model.ts'
import { type CategoricalHead, categoricalLogProb } from '../heads/index.ts'
import { constantColumns, type Transformer } from '../nn/index.ts'
import { sameShape } from '../tensor/dimension.ts'
import { constant, divide, multiply, negate, sum, type Tensor } from '../tensor/index.ts'
import { describeType } from '../tensor/tensor.ts'

/** A backbone over ids and the head that reads it. */
export interface Predictor {
  readonly backbone: Transformer
  readonly head: CategoricalHead
}

/**
 * Hidden states of a whole plan at once (teacher forcing): int ids `[batch, slot]` as fed → `[batch, slot, width]`. Throws ShapeError
 * when ids are not one per slot, ContextError when the plan has positions beyond the context, OptionError on plans of several channels.
 */
export function teacherForced({ backbone }: Predictor, plan: Plan, ids: Tensor): Tensor {
  checkPlan(plan, backbone.context)
  if (ids.rank !== 2 || ids.shape[1] !== plan.length)
    throw new ShapeError(`ids ${describeType(ids)} for a plan of ${plan.length} slots`, { expected: 'one id per slot' })
  const position = constant(Int32Array.from(plan.position[0]!), [1, plan.length], 'int32')
  const slots = { embedded: backbone.embed(ids, position), position, columns: constantColumns(plan), visibility: plan.visibility }
  return backbone.forward(slots).hidden
}

/**
 * Mean −log p(target) in nats over the plan's predicting slots, weighted by its loss weights and by `weights`. `ids` and `targets` are
 * int `[batch, slot]`, what each slot is fed and what it predicts; `weights` is float `[batch, slot]`, 0 for padding. Throws ShapeError
 * unless all three have one entry per slot, and as `teacherForced` does. NaN when all weights are 0.
 */
export function negativeLogLikelihood(predictor: Predictor, plan: Plan, ids: Tensor, targets: Tensor, weights: Tensor): Tensor {
  const logits = predictor.head.logits(teacherForced(predictor, plan, ids))
  if (!sameShape(weights.shape, ids.shape))
    throw new ShapeError(`weights ${describeType(weights)} for ids ${describeType(ids)}`, { expected: 'one weight per slot' })
  const logProbs = categoricalLogProb(logits, targets)
  const counted = multiply(weights, constant(plan.weight, [1, plan.length]))
  return negate(divide(sum(multiply(logProbs, counted)), sum(counted)))
}

function checkPlan({ position, channels = [] }: Plan, context: number): void {
  if (channels.length > 0)
    throw new OptionError(`a plan of ${channels.length + 1} channels`, {
      expected: 'one channel',
      fix: 'embed the others yourself',
    })
  const last = position[0]!.reduce((most, place) => Math.max(most, place), -1)
  if (last >= context)
    throw new ContextError(`a plan with position ${last}`, { expected: `positions below the context of ${context}` })
}
