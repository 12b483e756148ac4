import { type HostTensor, isFloat } from '../base/dtype.ts'
import { MismatchError, NonFiniteError } from '../base/errors.ts'
import type { Variable } from '../tensor/index.ts'

/** Variables by the names under which files keep them. */
export type VariableMap = ReadonlyMap<string, Variable>

/** Variables by their own names. */
export function byName(variables: readonly Variable[]): VariableMap {
  return new Map(variables.map((variable) => [variable.name, variable]))
}

/** Present values. */
export async function readVariables(variables: VariableMap): Promise<Map<string, HostTensor>> {
  const tensors = new Map<string, HostTensor>()
  for (const [name, variable] of variables) {
    tensors.set(name, { dtype: variable.dtype, shape: variable.concreteShape, data: await variable.read() })
  }
  return tensors
}

/**
 * Throws MismatchError unless there is exactly one tensor for each variable, of its dtype and shape.
 * @param what the tensors' origin, for the message
 */
export function checkFit(variables: VariableMap, tensors: ReadonlyMap<string, HostTensor>, what: string): void {
  const missing = [...variables.keys()].filter((name) => !tensors.has(name))
  const unexpected = [...tensors.keys()].filter((name) => !variables.has(name))
  const different = [...variables].flatMap(([name, variable]) => differenceOf(name, variable, tensors.get(name)))
  const problems = [listing('lacks', missing), listing('has the unknown', unexpected), listing('has other shapes:', different)]
  const found = problems.filter((problem) => problem !== '')
  if (found.length === 0) return
  throw new MismatchError(`${what} does not fit the model: it ${found.join('; ')}`, {
    fix: 'build the model with the settings and the vocabulary it was saved with',
  })
}

/** Writes all values, once all are known to fit. */
export async function writeVariables(variables: VariableMap, tensors: ReadonlyMap<string, HostTensor>): Promise<void> {
  for (const [name, variable] of variables) {
    const { data, shape } = tensors.get(name)!
    await variable.write(data, shape)
  }
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

function differenceOf(name: string, { dtype, shape }: Variable, tensor: HostTensor | undefined): string[] {
  if (tensor === undefined) return []
  const fits =
    tensor.shape.length === shape.length && shape.every((size, axis) => typeof size !== 'number' || size === tensor.shape[axis])
  if (fits && tensor.dtype === dtype) return []
  return [`${name} is ${tensor.dtype} [${tensor.shape.join(', ')}] and not ${dtype} [${shape.map(String).join(', ')}]`]
}

const longest = 8

function listing(verb: string, items: readonly string[]): string {
  if (items.length === 0) return ''
  const more = items.length > longest ? ` and ${items.length - longest} more` : ''
  return `${verb} ${items.slice(0, longest).join(', ')}${more}`
}
