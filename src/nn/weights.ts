import type { HostTensor } from '../base/dtype.ts'
import { MismatchError } from '../base/errors.ts'
import { fromHalf } from '../base/half.ts'
import type { Variable } from '../tensor/index.ts'
import { type Module, namedVariables } from './module.ts'

/**
 * Gives a module's variables the values of a checkpoint. Every variable must be there with its shape, and every tensor must have a
 * place; 16-bit floats are widened. Throws MismatchError listing all that is missing, unexpected or differently shaped, before
 * anything changes.
 */
export async function loadWeights(
  module: Module,
  tensors: ReadonlyMap<string, HostTensor>,
  renameKey: (key: string) => string | undefined = (key) => key,
): Promise<void> {
  const variables = namedVariables(module)
  const renamed = new Map<string, HostTensor>()
  for (const [key, tensor] of tensors) {
    const name = renameKey(key)
    if (name !== undefined) renamed.set(name, tensor)
  }
  const problems = [
    ...[...variables.keys()].filter((name) => !renamed.has(name)).map((name) => `${name} is missing`),
    ...[...renamed.keys()].filter((name) => !variables.has(name)).map((name) => `${name} is unexpected`),
    ...[...variables].flatMap(([name, variable]) => misfit(name, variable, renamed.get(name))),
  ]
  if (problems.length > 0)
    throw new MismatchError(`the weights do not fit the model: ${abbreviate(problems)}`, {
      expected: `${variables.size} tensors of the model's shapes`,
    })
  for (const [name, variable] of variables) await variable.write(widen(renamed.get(name)!, variable), variable.concreteShape)
}

/** The current values of a module's variables, by checkpoint key. */
export async function readWeights(module: Module): Promise<Map<string, HostTensor>> {
  const tensors = new Map<string, HostTensor>()
  for (const [name, variable] of namedVariables(module)) {
    tensors.set(name, { dtype: variable.dtype, shape: variable.concreteShape, data: await variable.read() })
  }
  return tensors
}

function misfit(name: string, variable: Variable, tensor: HostTensor | undefined): string[] {
  if (tensor === undefined) return []
  const convertible =
    tensor.dtype === variable.dtype || (variable.dtype === 'float32' && (tensor.dtype === 'float16' || tensor.dtype === 'bfloat16'))
  const fits =
    convertible &&
    tensor.shape.length === variable.shape.length &&
    variable.shape.every((size, axis) => size === tensor.shape[axis])
  return fits ? [] : [`${name} is ${tensor.dtype}[${tensor.shape}] instead of ${variable.dtype}[${variable.shape}]`]
}

function widen({ dtype, data }: HostTensor, variable: Variable): HostTensor['data'] {
  if (dtype === variable.dtype) return data
  return Float32Array.from(data as Uint16Array, (bits) => fromHalf(bits, dtype as 'float16' | 'bfloat16'))
}

function abbreviate(problems: readonly string[]): string {
  const shown = problems.slice(0, 5).join('; ')
  return problems.length > 5 ? `${shown}; and ${problems.length - 5} more` : shown
}
