import { below, isObject, keyword, refused, type SchemaObject } from './schema-source.ts'

export const jsonTypes = ['object', 'array', 'string', 'number', 'integer', 'boolean', 'null'] as const
export type JsonType = (typeof jsonTypes)[number]

/** Say something about a value, and constrain nothing. */
const annotations: ReadonlySet<string> = new Set([
  ...['title', 'description', 'default', 'examples', 'example', '$comment', 'deprecated', 'readOnly', 'writeOnly'],
  ...['$schema', '$defs', 'definitions', 'discriminator', 'contentMediaType', 'contentEncoding'],
])

/** The keywords that constrain values of each type. */
const ofType: Readonly<Record<string, readonly JsonType[]>> = {
  properties: ['object'],
  required: ['object'],
  additionalProperties: ['object'],
  propertyNames: ['object'],
  items: ['array'],
  prefixItems: ['array'],
  minItems: ['array'],
  maxItems: ['array'],
  uniqueItems: ['array'],
  minLength: ['string'],
  maxLength: ['string'],
  pattern: ['string'],
  format: ['string'],
  minimum: ['number'],
  maximum: ['number'],
  exclusiveMinimum: ['number'],
  exclusiveMaximum: ['number'],
}

/** The keywords of a schema object that constrain; throws OptionError, with its place, at one that is not supported. */
export function constraintsOf(schema: SchemaObject, pointer: string): string[] {
  const constraints = Object.keys(schema).filter((name) => !annotations.has(name) && !(name === '$id' && pointer === '#'))
  const known = [...Object.keys(ofType), 'type', 'enum', 'const', '$ref', 'anyOf', 'oneOf', 'allOf']
  const unknown = constraints.find((name) => !known.includes(name))
  if (unknown === undefined) return constraints
  throw refused(below(pointer, unknown), 'is not supported', `keywords among ${known.join(', ')}`)
}

/** Throws OptionError when a keyword stands beside others than these. */
export function refuseBeside(constraints: readonly string[], name: string, allowed: readonly string[], pointer: string): void {
  const other = constraints.find((each) => each !== name && !allowed.includes(each))
  if (other === undefined) return
  throw refused(below(pointer, other), `is not supported beside ${name}`, 'one of both, or both in schemas of their own')
}

/** Of `type`; where there is none, the types that the schema's keywords speak of, or all. */
export function typesOf(schema: SchemaObject, pointer: string): readonly JsonType[] {
  const declared = declaredTypes(schema, pointer)
  if (declared !== undefined) return declared
  const spokenOf = new Set(Object.keys(schema).flatMap((name) => (Object.hasOwn(ofType, name) ? ofType[name]! : [])))
  return spokenOf.size > 0 ? [...spokenOf] : jsonTypes.filter((type) => type !== 'integer')
}

export function declaredTypes(schema: SchemaObject, pointer: string): readonly JsonType[] | undefined {
  const given = keyword(schema, 'type')
  if (given === undefined) return undefined
  const types = Array.isArray(given) ? given : [given]
  const unknown = types.find((type) => !jsonTypes.includes(type))
  if (types.length > 0 && unknown === undefined) return types
  throw refused(below(pointer, 'type'), 'is no type', `one of ${jsonTypes.join(', ')}, or a list of them`)
}

/** Whether a value is of a type. */
export function isOfType(value: unknown, type: JsonType): boolean {
  switch (type) {
    case 'object':
      return isObject(value)
    case 'array':
      return Array.isArray(value)
    case 'integer':
      return Number.isInteger(value)
    case 'null':
      return value === null
    default:
      return typeof value === type
  }
}
