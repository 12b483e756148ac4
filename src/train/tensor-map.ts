import { type HostTensor, isFloat } from '../base/dtype.ts'
import { NonFiniteError } from '../base/errors.ts'
import type { VariableMap } from '../nn/index.ts'
import type { Variable } from '../tensor/index.ts'

/** Variables by their own names. */
export function byName(variables: readonly Variable[]): VariableMap {
  return new Map(variables.map((variable) => [variable.name, variable]))
}

/** Throws NonFiniteError naming the first tensor that holds a NaN or an infinity. */
export function checkFinite(tensors: ReadonlyMap<string, HostTensor>, what: string): void {
  for (const [name, { dtype, data }] of tensors) {
    if (!isFloat(dtype) || data instanceof Uint16Array || data instanceof BigInt64Array) continue
    if (data.every(Number.isFinite)) continue
    throw new NonFiniteError(`${what}: ${name} holds a NaN or an infinity`, {
      fix: 'lower the learning rate; the checkpoints before this one are good',
    })
  }
}
