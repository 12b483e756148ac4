import { GraphError } from '../base/errors.ts'
import type { Rng } from '../base/rng.ts'
import { Variable } from '../tensor/index.ts'

/**
 * A module is an object of a class whose fields are variables, modules, and arrays of these. Plain records are options and are not
 * searched, except where a record of modules is itself what is asked for: `parameters({ backbone, head })`. The dotted path of a variable equals its key in
 * public checkpoints. A variable reached twice (tied weights) has the first path.
 */
export type Module = object

/** Where an object stands in a module. */
export interface Place {
  /** Dotted. */
  readonly path: string
  /** The module or array that has it, and the field it has it in. */
  readonly holder: object
  readonly field: string
  readonly value: object
}

/** All that a module is made of, parents first: modules, arrays and variables. What is reached twice has two places, and is entered once. */
export function* placesIn(module: Module): Generator<Place, void, undefined> {
  const entered = new Set<object>()
  const within = function* (holder: object, prefix: string): Generator<Place, void, undefined> {
    const searched = holder === module || Array.isArray(holder) || isModule(holder)
    if (entered.has(holder) || holder instanceof Variable || !searched) return
    entered.add(holder)
    for (const [field, value] of Object.entries(holder)) {
      if (value === null || typeof value !== 'object') continue
      yield { path: prefix + field, holder, field, value }
      yield* within(value, `${prefix}${field}.`)
    }
  }
  yield* within(module, '')
}

/** Every variable of a module by its dotted path. */
export function namedVariables(module: Module): Map<string, Variable> {
  const paths = new Map<Variable, string>()
  for (const { path, value } of placesIn(module)) if (value instanceof Variable && !paths.has(value)) paths.set(value, path)
  return new Map(Array.from(paths, ([variable, path]) => [path, variable]))
}

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

/** Keeps the trainable variables of these names (default: all) out of training. Returns those that were not frozen before. */
export function freeze(module: Module, selects: (name: string) => boolean = () => true): Variable[] {
  const chosen = trainable(module, selects).filter(({ frozen }) => !frozen)
  for (const variable of chosen) variable.frozen = true
  return chosen
}

/** Lets the trainable variables of these names (default: all) be trained again. */
export function unfreeze(module: Module, selects: (name: string) => boolean = () => true): void {
  for (const variable of trainable(module, selects)) variable.frozen = false
}

function trainable(module: Module, selects: (name: string) => boolean): Variable[] {
  return [...namedVariables(module)].flatMap(([name, variable]) => (variable.trainable && selects(name) ? [variable] : []))
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
