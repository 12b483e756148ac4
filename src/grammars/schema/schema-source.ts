import { OptionError } from '../../base/errors.ts'
import { shortened } from '../../base/options.ts'

export type SchemaObject = Readonly<Record<string, unknown>>
export type Schema = boolean | SchemaObject

/** A place in a schema: the schema that is there, and its JSON pointer. */
export interface Place {
  readonly schema: Schema
  readonly pointer: string
}

export function isObject(value: unknown): value is SchemaObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Of a keyword. Reads own properties only. */
export function keyword(schema: SchemaObject, name: string): unknown {
  return Object.hasOwn(schema, name) ? schema[name] : undefined
}

export function below(pointer: string, ...steps: readonly (string | number)[]): string {
  return [pointer, ...steps.map((step) => String(step).replaceAll('~', '~0').replaceAll('/', '~1'))].join('/')
}

/** Throws OptionError when it is no schema. */
export function asSchema(value: unknown, pointer: string): Place {
  if (typeof value === 'boolean' || isObject(value)) return { schema: value, pointer }
  throw refused(pointer, 'is no schema', 'an object or a boolean')
}

export function refused(pointer: string, problem: string, expected?: string): OptionError {
  return new OptionError(`the schema at ${shortened(pointer)} ${problem}`, expected === undefined ? {} : { expected })
}

/** What a local `$ref` points to. Throws OptionError for others, and where nothing is there. */
export function resolveReference(root: Schema, reference: unknown, pointer: string): Place {
  if (typeof reference !== 'string' || !(reference === '#' || reference.startsWith('#/'))) {
    throw refused(below(pointer, '$ref'), 'points elsewhere', "a place in the same schema, such as '#/$defs/name'")
  }
  let value: unknown = root
  for (const step of reference.split('/').slice(1)) {
    const name = decoded(step).replaceAll('~1', '/').replaceAll('~0', '~')
    const known = typeof value === 'object' && value !== null && Object.hasOwn(value, name)
    if (!known) throw refused(below(pointer, '$ref'), `points to nothing: ${shortened(reference)}`)
    value = (value as SchemaObject)[name]
  }
  return asSchema(value, reference)
}

function decoded(step: string): string {
  try {
    return decodeURIComponent(step)
  } catch {
    return step
  }
}

/** A keyword that is a natural number. */
export function count(schema: SchemaObject, name: string, pointer: string): number | undefined {
  const value = keyword(schema, name)
  if (value === undefined || (Number.isSafeInteger(value) && (value as number) >= 0)) return value as number | undefined
  throw refused(below(pointer, name), 'is no count', 'a whole number of at least 0')
}

export function list(schema: SchemaObject, name: string, pointer: string): readonly unknown[] | undefined {
  const value = keyword(schema, name)
  if (value === undefined || Array.isArray(value)) return value
  throw refused(below(pointer, name), 'is no list')
}
