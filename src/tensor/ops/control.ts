import { apply, type Op, type Tensor, type TensorOperand, toTensor } from '../tensor.ts'

/** The gradients of the operands, given the result's gradient; undefined where none flows. */
export type BackwardFunction = (gradient: Tensor) => readonly (Tensor | undefined)[]

/** The first operand; gradients stop here. */
const stopGradientRow: Op<Record<string, never>> = {
  name: 'stopGradient',
  movement: true,
  infer: ([input]) => input!,
  emit: (_emitter, [input]) => input!,
  reference: ([input]) => input!.data,
}

/** The first operand; its gradient goes to the other operands by `backward`. */
const customGradientRow: Op<{ backward: BackwardFunction }> = {
  name: 'customGradient',
  movement: true,
  infer: ([result]) => result!,
  emit: (_emitter, [result]) => result!,
  reference: ([result]) => result!.data,
}

/**
 * The first operand, computed anew once the second one is known. The runtime merges equal subgraphs, which would undo
 * rematerialisation: adding 0 × (an element of the second operand) keeps them apart and orders them.
 */
const barrierRow: Op<Record<string, never>> = {
  name: 'barrier',
  movement: true,
  infer: ([input]) => input!,
  emit(emitter, [input, after], node) {
    const [value, later] = node.inputs
    const zeros = emitter.integers(new Array<number>(later!.rank).fill(0))
    const ones = emitter.integers(new Array<number>(later!.rank).fill(1))
    const element = later!.rank === 0 ? after! : emitter.node('Slice', [after!, zeros, ones])
    const flat = emitter.cast(emitter.node('Reshape', [element, emitter.integers([])]), value!.dtype)
    return emitter.node('Add', [input!, emitter.node('Mul', [flat, emitter.scalar(0, value!.dtype)])])
  },
  reference: ([input]) => input!.data,
}

export const control = { stopGradient: stopGradientRow, customGradient: customGradientRow, barrier: barrierRow } as const

/** The same values, as a constant for differentiation. */
export function stopGradient(x: TensorOperand): Tensor {
  return apply(stopGradientRow, [x], {})
}

/**
 * `forward(...operands)` whose gradient is `backward(gradient, result, operands)` instead of the derived one.
 *
 * @example
 * ```ts
 * // Straight-through rounding: forward rounds, backward passes the gradient on.
 * const rounded = customGradient([x], ([value]) => round(value!), (gradient) => [gradient])
 * ```
 */
export function customGradient(
  operands: readonly TensorOperand[],
  forward: (operands: readonly Tensor[]) => Tensor,
  backward: (gradient: Tensor, result: Tensor, operands: readonly Tensor[]) => readonly (Tensor | undefined)[],
): Tensor {
  const tensors = operands.map(toTensor)
  const result = forward(tensors)
  return apply(customGradientRow, [result, ...tensors], { backward: (gradient: Tensor) => backward(gradient, result, tensors) })
}

/** `x`, kept apart from equal values computed before `after` was. */
export function barrier(x: TensorOperand, after: TensorOperand): Tensor {
  return apply(barrierRow, [x, after], {})
}
