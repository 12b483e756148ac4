import { GraphError } from '../base/errors.ts'
import type { Rng } from '../base/rng.ts'
import { Variable } from '../tensor/index.ts'

/**
 * A module is a plain object whose fields are variables, modules, and arrays of these. The dotted path of a variable equals its key in
 * public checkpoints. A variable reached twice (tied weights) has the first path.
 */
export type Module = object

/** Every variable of a module by its dotted path. */
export function namedVariables(module: Module): Map<string, Variable> {
  const found = new Map<string, Variable>()
  collect(module, '', found, new Set())
  return found
}

function collect(value: unknown, path: string, found: Map<string, Variable>, seen: Set<object>): void {
  if (value === null || typeof value !== 'object' || seen.has(value)) return
  seen.add(value)
  if (value instanceof Variable) {
    found.set(path, value)
    return
  }
  if (!Array.isArray(value) && !isModule(value)) return
  for (const [name, field] of Object.entries(value)) collect(field, path === '' ? name : `${path}.${name}`, found, seen)
}

// Class instances are modules; plain records are options and are not searched.
function isModule(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value)
  return (
    prototype !== Object.prototype &&
    prototype !== null &&
    !ArrayBuffer.isView(value) &&
    !(value instanceof Map) &&
    !(value instanceof Set)
  )
}

/** The variables that optimizers train: the trainable ones that are not frozen. */
export function parameters(module: Module): Variable[] {
  return [...namedVariables(module).values()].filter(({ trainable, frozen }) => trainable && !frozen)
}

/** Number of trainable values. */
export function parameterCount(module: Module): number {
  return parameters(module).reduce(
    (total, { shape }) => total + shape.reduce<number>((size, length) => size * (length as number), 1),
    0,
  )
}

/**
 * Names every variable by its path and gives it first values: each from its own stream of the generator, so that adding a
 * layer changes no other layer's values. Throws GraphError when a trainable variable has no initializer.
 */
export async function initialize(module: Module, rng: Rng): Promise<void> {
  nameVariables(module)
  for (const [name, variable] of namedVariables(module)) {
    if (variable.initializer === undefined) {
      if (variable.trainable) throw new GraphError(`parameter ${name} has no initializer`)
      continue
    }
    await variable.write(variable.initializer(variable.concreteShape, rng.fold(name)))
  }
}

/** Names every variable by its path. */
export function nameVariables(module: Module): void {
  for (const [name, variable] of namedVariables(module)) variable.name = name
}

/** Frees every variable of a module. */
export async function disposeModule(module: Module): Promise<void> {
  for (const variable of namedVariables(module).values()) await variable.dispose()
}
