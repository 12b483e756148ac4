import { declaredTypes } from './keywords.ts'
import { isObject, keyword, type Place, resolveReference, type Schema, type SchemaObject } from './schema-source.ts'

/** Whether no value can be valid under two of the schemas, as far as types, values and a telling property show it. */
export function areDisjoint(places: readonly Place[], root: Schema): boolean {
  const seen = places.map((place) => follow(place, root))
  return seen.every((a, i) => seen.slice(i + 1).every((b) => areApart(a, b, root)))
}

function areApart(a: Place, b: Place, root: Schema): boolean {
  if (a.schema === false || b.schema === false) return true
  if (a.schema === true || b.schema === true) return false
  const [typesA, typesB] = [kindsOf(a), kindsOf(b)]
  if (typesA !== undefined && typesB !== undefined && typesA.every((type) => !typesB.includes(type))) return true
  if (haveNoneInCommon(valuesOf(a.schema), valuesOf(b.schema))) return true
  return isTold(a.schema, b.schema, root)
}

/** Types without the difference of integers and numbers. */
function kindsOf({ schema, pointer }: Place): readonly string[] | undefined {
  const object = schema as SchemaObject
  const values = valuesOf(object)
  const types = declaredTypes(object, pointer) ?? values?.map(kindOf)
  return types?.map((type) => (type === 'integer' ? 'number' : type))
}

function kindOf(value: unknown): string {
  return value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value
}

function valuesOf(schema: SchemaObject): readonly unknown[] | undefined {
  if (Object.hasOwn(schema, 'const')) return [schema.const]
  const values = keyword(schema, 'enum')
  return Array.isArray(values) ? values : undefined
}

function haveNoneInCommon(a: readonly unknown[] | undefined, b: readonly unknown[] | undefined): boolean {
  if (a === undefined || b === undefined || [...a, ...b].some((value) => typeof value === 'object' && value !== null)) return false
  return a.every((value) => !b.includes(value))
}

/** Objects that both must have a property whose values are never the same. */
function isTold(a: SchemaObject, b: SchemaObject, root: Schema): boolean {
  if (keyword(a, 'type') !== 'object' || keyword(b, 'type') !== 'object') return false
  const [requiredA, requiredB] = [keyword(a, 'required'), keyword(b, 'required')]
  if (!Array.isArray(requiredA) || !Array.isArray(requiredB)) return false
  const shared = requiredA.filter((name) => typeof name === 'string' && requiredB.includes(name))
  return shared.some((name) => haveNoneInCommon(propertyValues(a, name, root), propertyValues(b, name, root)))
}

function propertyValues(schema: SchemaObject, name: string, root: Schema): readonly unknown[] | undefined {
  const properties = keyword(schema, 'properties')
  if (!isObject(properties) || !isObject(keyword(properties, name))) return undefined
  const { schema: found } = follow({ schema: properties[name] as SchemaObject, pointer: '#' }, root)
  return isObject(found) ? valuesOf(found) : undefined
}

/** What stands behind references; a circle of them is left as it is. */
function follow(place: Place, root: Schema): Place {
  let current = place
  for (let steps = 0; steps < 100 && isObject(current.schema) && Object.hasOwn(current.schema, '$ref'); steps++) {
    current = resolveReference(root, current.schema.$ref, current.pointer)
  }
  return current
}
