import { constraintsOf } from './keywords.ts'
import { asSchema, below, isObject, keyword, list, refused, type SchemaObject } from './schema-source.ts'

/**
 * The names of `propertyNames`, where it is a list of them; undefined where it allows any. Throws OptionError for other schemas, and when
 * an object has a name that is not among them.
 */
export function allowedNames(schema: SchemaObject, pointer: string): readonly string[] | undefined {
  const given = keyword(schema, 'propertyNames')
  if (given === undefined) return undefined
  const place = below(pointer, 'propertyNames')
  const names = asSchema(given, place).schema
  if (names === true) return undefined
  if (names === false) return checked([], schema, place)
  const constraints = constraintsOf(names, place)
  const plain = constraints.every((name) => name === 'enum' || (name === 'type' && keyword(names, name) === 'string'))
  if (!plain) throw refused(place, 'is not supported', "{ type: 'string' }, or an enum of names")
  const values = list(names, 'enum', place)
  return values === undefined
    ? undefined
    : checked(
        values.filter((value) => typeof value === 'string'),
        schema,
        place,
      )
}

function checked(names: readonly string[], schema: SchemaObject, place: string): readonly string[] {
  const properties = keyword(schema, 'properties')
  const required = keyword(schema, 'required')
  const said = [...(isObject(properties) ? Object.keys(properties) : []), ...(Array.isArray(required) ? required : [])]
  const other = said.find((name) => !names.includes(name))
  if (other === undefined) return names
  throw refused(place, `lacks the property ${JSON.stringify(other)}`, 'all names of properties and required')
}
