import { arrayTypes, elementCount, type HostTensor, type TypedArray } from '../base/dtype.ts'
import { MismatchError } from '../base/errors.ts'
import { fromHalf } from '../base/half.ts'
import type { Placement } from '../base/placement.ts'
import type { Variable } from '../tensor/index.ts'
import { type Module, namedVariables } from './module.ts'
import { placedValues } from './placement.ts'

/** Variables by the names under which files keep them. */
export type VariableMap = ReadonlyMap<string, Variable>

/**
 * Gives a module's variables the values of a checkpoint. `place` says which variables get what of a tensor; none when it is not needed.
 * Default: the variable of its name gets all. Throws MismatchError, before anything changes, unless every variable gets exactly one
 * tensor that fits.
 */
export async function loadWeights(
  module: Module,
  tensors: ReadonlyMap<string, HostTensor>,
  place: (key: string) => readonly Placement[] = (name) => [{ name }],
): Promise<void> {
  const placed = new Map<string, HostTensor>()
  for (const [key, tensor] of tensors) {
    for (const placement of place(key)) {
      if (placed.has(placement.name)) throw new MismatchError(`two tensors are named ${placement.name}`, { expected: 'one' })
      placed.set(placement.name, placedValues(tensor, placement))
    }
  }
  const variables = namedVariables(module)
  checkFit(variables, placed, 'the checkpoint')
  await writeVariables(variables, placed)
}

/** Present values. */
export async function readVariables(variables: VariableMap): Promise<Map<string, HostTensor>> {
  const tensors = new Map<string, HostTensor>()
  for (const [name, variable] of variables) {
    tensors.set(name, { dtype: variable.dtype, shape: variable.concreteShape, data: await variable.read() })
  }
  return tensors
}

/** A tensor, or what is known of one that was not read yet. */
export type TensorDescription = Omit<HostTensor, 'data'> & Partial<HostTensor>

/**
 * Throws MismatchError unless there is exactly one tensor for each variable, of its dtype and shape. 16-bit floats fit
 * float32 variables.
 * @param what the tensors' origin, for the message
 */
export function checkFit(variables: VariableMap, tensors: ReadonlyMap<string, TensorDescription>, what: string): void {
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
    const tensor = tensors.get(name)!
    await variable.write(widened(tensor, variable), tensor.shape)
  }
}

function widened({ dtype, data }: HostTensor, variable: Variable): TypedArray {
  if (dtype === variable.dtype) return data
  return Float32Array.from(data as Uint16Array, (bits) => fromHalf(bits, dtype as 'float16' | 'bfloat16'))
}

function differenceOf(name: string, { dtype, shape }: Variable, tensor: TensorDescription | undefined): string[] {
  if (tensor === undefined) return []
  const fits =
    tensor.shape.length === shape.length && shape.every((size, axis) => typeof size !== 'number' || size === tensor.shape[axis])
  const widens = dtype === 'float32' && (tensor.dtype === 'float16' || tensor.dtype === 'bfloat16')
  const { data } = tensor
  if (data !== undefined && (!(data instanceof arrayTypes[tensor.dtype]) || data.length !== elementCount(tensor.shape)))
    return [`${name} has ${data.length} values for ${tensor.dtype} [${tensor.shape.join(', ')}]`]
  if (fits && (tensor.dtype === dtype || widens)) return []
  return [`${name} is ${tensor.dtype} [${tensor.shape.join(', ')}] and not ${dtype} [${shape.map(String).join(', ')}]`]
}

const longest = 8

function listing(verb: string, items: readonly string[]): string {
  if (items.length === 0) return ''
  const more = items.length > longest ? ` and ${items.length - longest} more` : ''
  return `${verb} ${items.slice(0, longest).join(', ')}${more}`
}
