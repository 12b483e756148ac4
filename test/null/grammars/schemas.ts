import fc from 'fast-check'

const trickyText = fc.oneof(
  fc.constantFrom('', '"', '\\', '\n', 'é', '🦙', '漢字', ' ', '{"', 'a\u0000b', '\u007f', '~1/~0', '__proto__', 'true', '\u2028'),
  fc.string({ unit: 'grapheme', maxLength: 6 }),
)
const jsonLeaf = fc.oneof(
  fc.constant(null),
  fc.boolean(),
  fc.integer(),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  trickyText,
)
const annotation = fc.record(
  { title: trickyText, description: trickyText, default: jsonLeaf, examples: fc.array(jsonLeaf, { maxLength: 2 }) },
  { requiredKeys: [] },
)

function ordered(value: fc.Arbitrary<number>): fc.Arbitrary<readonly [number, number]> {
  return fc.tuple(value, value).map(([a, b]) => [Math.min(a, b), Math.max(a, b)] as const)
}

const bounds = ordered(
  fc.oneof(fc.integer({ min: -30, max: 30 }), fc.integer({ min: -1e6, max: 1e6 }), fc.integer({ min: -1e15, max: 1e15 })),
)
const numbers = (type: 'integer' | 'number') =>
  fc.oneof(
    fc.constant({ type }),
    bounds.map(([minimum, maximum]) => ({ type, minimum, maximum })),
    // One apart, so that something lies between.
    bounds.map(([low, high]) => ({ type, exclusiveMinimum: low, exclusiveMaximum: high + 2 })),
    fc.integer({ min: -1000, max: 1000 }).map((minimum) => ({ type, minimum })),
    fc.integer({ min: -1000, max: 1000 }).map((exclusiveMaximum) => ({ type, exclusiveMaximum })),
  )

export const patterns = [
  '^[a-z]+$',
  '^[A-Z]{2}-\\d{3,5}$',
  '["\\\\]',
  '^\\s?[^a-z\\d]{1,4}$',
  '^(foo|bar)+\\.?$',
  '\\u{1f999}|é|\\x41',
  '^.{3}$',
  '^$|^a',
  '^[\\w-]+@(?:[a-z]+\\.)+[a-z]{2,3}$',
]
export const formats = ['date', 'time', 'date-time', 'uuid', 'ipv4', 'hostname', 'email', 'uri']

const texts = fc.oneof(
  fc.constant({ type: 'string' }),
  ordered(fc.nat(12)).map(([minLength, maxLength]) => ({ type: 'string', minLength, maxLength })),
  fc.nat(5).map((minLength) => ({ type: 'string', minLength })),
  fc.constantFrom(...patterns).map((pattern) => ({ type: 'string', pattern })),
  fc.constantFrom(...formats).map((format) => ({ type: 'string', format })),
)

const leaf = fc.oneof(
  texts,
  numbers('integer'),
  numbers('number'),
  fc.constantFrom(
    { type: 'boolean' },
    { type: 'null' },
    { type: ['string', 'null'] },
    { type: ['integer', 'boolean'], minimum: 3 },
  ),
  fc.constantFrom({ minimum: 5 }, { minLength: 2 }, { type: 'object' }, { type: 'array' }, true, {}),
  fc
    .array(fc.oneof(jsonLeaf, fc.array(jsonLeaf, { maxLength: 2 }), fc.dictionary(trickyText, jsonLeaf, { maxKeys: 2 })), {
      minLength: 1,
      maxLength: 4,
    })
    .map((values) => ({ enum: values })),
  jsonLeaf.map((value) => ({ const: value })),
)

const names = fc.oneof(fc.constantFrom('a', 'b', 'name', 'id'), trickyText)

/** Schemas of all that is supported. `#/$defs/tree` and `#/$defs/leaf` are there, see `withDefinitions`. */
const { schema } = fc.letrec<{ schema: unknown; object: unknown; array: unknown; tuple: unknown; union: unknown }>((tie) => ({
  object: fc
    .tuple(
      fc.uniqueArray(fc.tuple(names, tie('schema'), fc.boolean()), { maxLength: 4, selector: ([name]) => name }),
      fc.constantFrom(undefined, false, true),
      fc.boolean(),
    )
    .map(([properties, additionalProperties, extra]) => ({
      type: 'object',
      properties: Object.fromEntries(properties.map(([name, value]) => [name, value])),
      required: [
        ...properties.flatMap(([name, , required]) => (required ? [name] : [])),
        ...(extra && additionalProperties !== false ? ['only required'] : []),
      ],
      ...(additionalProperties !== undefined && { additionalProperties }),
    })),
  array: fc
    .tuple(tie('schema'), fc.option(ordered(fc.nat(3)), { nil: undefined }))
    .map(([items, counts]) => ({ type: 'array', items, ...(counts && { minItems: counts[0], maxItems: counts[1] }) })),
  tuple: fc
    .tuple(
      fc.array(tie('schema'), { minLength: 1, maxLength: 3 }),
      fc.constantFrom(undefined, false, { type: 'null' }),
      fc.constantFrom(undefined, 0, 1),
    )
    .map(([prefixItems, items, minItems]) => ({
      type: 'array',
      prefixItems,
      ...(items !== undefined && { items }),
      ...(minItems !== undefined && { minItems }),
    })),
  union: fc.oneof(
    fc.array(tie('schema'), { minLength: 1, maxLength: 3 }).map((anyOf) => ({ anyOf })),
    tie('schema').map((only) => ({ allOf: [only], description: 'one' })),
    fc.tuple(tie('object'), texts).map((oneOf) => ({ oneOf })),
    tie('schema').map((value) => ({
      oneOf: ['x', 'y'].map((kind) => ({
        type: 'object',
        properties: { kind: { const: kind }, value },
        required: ['kind'],
        additionalProperties: false,
      })),
    })),
    tie('schema').map((values) => ({ type: 'object', additionalProperties: values })),
    fc.constantFrom({ $ref: '#/$defs/tree' }, { $ref: '#/$defs/leaf' }),
  ),
  schema: fc.oneof({ depthSize: 'small', withCrossShrink: true }, leaf, tie('object'), tie('array'), tie('union'), tie('tuple')),
}))

export const anySchema: fc.Arbitrary<Record<string, unknown>> = fc.tuple(schema, annotation, leaf).map(([root, notes, value]) => ({
  ...(typeof root === 'object' ? root : {}),
  ...notes,
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  $defs: {
    leaf: value,
    tree: {
      type: 'object',
      properties: { value: { $ref: '#/$defs/leaf' }, children: { type: 'array', items: { $ref: '#/$defs/tree' }, maxItems: 2 } },
      required: ['value'],
    },
  },
}))
