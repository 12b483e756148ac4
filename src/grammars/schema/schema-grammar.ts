import { LimitError } from '../../base/errors.ts'
import { choice, type Expression, type Grammar, optional, repeat, rule, sequence, text } from '../expression.ts'
import { colon, comma, elements, jsonRules, literal, members } from '../json-grammar.ts'
import { areDisjoint } from './disjoint.ts'
import { constraintsOf, declaredTypes, isOfType, type JsonType, refuseBeside, typesOf } from './keywords.ts'
import { integerExpression, numberExpression } from './number-schema.ts'
import { allowedNames } from './property-names.ts'
import {
  asSchema,
  below,
  count,
  isObject,
  keyword,
  list,
  type Place,
  refused,
  resolveReference,
  type SchemaObject,
} from './schema-source.ts'
import { StringReader } from './string-schema.ts'

const nothing = choice([])
const anything = rule('value')

/**
 * The JSON texts that are valid under a schema (JSON Schema 2020-12), or some of them: properties in the schema's order, further ones only
 * where it names none, numbers of at most 15 digits, and spaces behind commas and colons only. `schema` is what `JSON.parse` gave.
 * Throws OptionError at a keyword that is not supported, with its place; LimitError beyond a depth.
 */
export function schemaGrammar(schema: unknown, depth: number): Grammar {
  return new SchemaReader(asSchema(schema, '#'), depth).grammar()
}

class SchemaReader {
  readonly #root: Place
  readonly #deepest: number
  readonly #rules = new Map(jsonRules)
  /** Referred to, and not read yet. */
  readonly #waiting: { readonly name: string; readonly place: Place }[] = []
  readonly #strings = new StringReader()
  #made = 0

  constructor(root: Place, deepest: number) {
    this.#root = root
    this.#deepest = deepest
  }

  grammar(): Grammar {
    this.#refer(this.#root)
    for (let next = this.#waiting.pop(); next !== undefined; next = this.#waiting.pop()) {
      this.#rules.set(next.name, this.#read(next.place, 0))
    }
    return { root: nameOf(this.#root), rules: this.#rules }
  }

  /** A rule for what stands at a place. */
  #refer(place: Place): Expression {
    const name = nameOf(place)
    if (!this.#rules.has(name)) {
      this.#rules.set(name, nothing)
      this.#waiting.push({ name, place })
    }
    return rule(name)
  }

  /** A rule of an expression that is used more than once. */
  #define(expression: Expression): Expression {
    if (expression.kind === 'rule') return expression
    const name = `part ${this.#made++}`
    this.#rules.set(name, expression)
    return rule(name)
  }

  #read({ schema, pointer }: Place, depth: number): Expression {
    if (depth > this.#deepest)
      throw new LimitError('the schema is nested too deeply', { expected: `at most ${this.#deepest} levels` })
    if (typeof schema === 'boolean') return schema ? anything : nothing
    const constraints = constraintsOf(schema, pointer)
    for (const [name, read] of this.#wholes()) {
      if (constraints.includes(name)) return read(schema, constraints, pointer, depth)
    }
    const options = typesOf(schema, pointer).map((type) => this.#ofType(type, schema, pointer, depth))
    return choice(options)
  }

  /** Keywords that say all by themselves. */
  #wholes(): readonly (readonly [string, WholeReader])[] {
    return [
      ['$ref', (schema, constraints, pointer) => this.#reference(schema, constraints, pointer)],
      ['const', (schema, constraints, pointer) => values(schema, 'const', [keyword(schema, 'const')], constraints, pointer)],
      ['enum', (schema, constraints, pointer) => values(schema, 'enum', list(schema, 'enum', pointer)!, constraints, pointer)],
      ['anyOf', (schema, constraints, pointer, depth) => this.#branches('anyOf', schema, constraints, pointer, depth)],
      ['oneOf', (schema, constraints, pointer, depth) => this.#branches('oneOf', schema, constraints, pointer, depth)],
      ['allOf', (schema, constraints, pointer, depth) => this.#branches('allOf', schema, constraints, pointer, depth)],
    ]
  }

  #reference(schema: SchemaObject, constraints: readonly string[], pointer: string): Expression {
    refuseBeside(constraints, '$ref', [], pointer)
    return this.#refer(resolveReference(this.#root.schema, keyword(schema, '$ref'), pointer))
  }

  #branches(name: string, schema: SchemaObject, constraints: readonly string[], pointer: string, depth: number): Expression {
    refuseBeside(constraints, name, [], pointer)
    const places = list(schema, name, pointer)!.map((branch, i) => asSchema(branch, below(pointer, name, i)))
    if (places.length === 0) throw refused(below(pointer, name), 'is empty')
    if (name === 'allOf' && places.length > 1)
      throw refused(below(pointer, name), 'has several schemas', 'one schema that says all')
    if (name === 'oneOf' && !areDisjoint(places, this.#root.schema)) {
      throw refused(
        below(pointer, name),
        'has schemas that may share values',
        'anyOf, or types, constants or a property that tell them apart',
      )
    }
    return choice(places.map((place) => this.#read(place, depth + 1)))
  }

  #ofType(type: JsonType, schema: SchemaObject, pointer: string, depth: number): Expression {
    switch (type) {
      case 'object':
        return this.#object(schema, pointer, depth)
      case 'array':
        return this.#array(schema, pointer, depth)
      case 'string':
        return this.#strings.read(schema, pointer)
      case 'number':
        return numberExpression(schema, pointer)
      case 'integer':
        return integerExpression(schema, pointer)
      default:
        return rule(type)
    }
  }

  #array(schema: SchemaObject, pointer: string, depth: number): Expression {
    const unique = keyword(schema, 'uniqueItems')
    if (unique !== undefined && unique !== false) throw refused(below(pointer, 'uniqueItems'), 'is not supported')
    const prefix = (list(schema, 'prefixItems', pointer) ?? []).map((item, i) =>
      this.#define(this.#read(asSchema(item, below(pointer, 'prefixItems', i)), depth + 1)),
    )
    const least = count(schema, 'minItems', pointer) ?? 0
    const given = keyword(schema, 'items')
    if (Array.isArray(given)) throw refused(below(pointer, 'items'), 'is a list', 'prefixItems')
    // Without `items`, a list goes on behind its prefix only where it must.
    const natural = given === undefined && prefix.length > 0 ? Math.max(least, prefix.length) : Number.POSITIVE_INFINITY
    const most = Math.min(count(schema, 'maxItems', pointer) ?? natural, natural)
    const rest = this.#define(this.#read(subschema(schema, 'items', pointer), depth + 1))
    if (least > most) return nothing
    return prefix.length === 0 ? elements(rest, least, bounded(most)) : tuple(prefix, rest, least, bounded(most))
  }

  #object(schema: SchemaObject, pointer: string, depth: number): Expression {
    const further = subschema(schema, 'additionalProperties', pointer)
    const allowed = allowedNames(schema, pointer)
    const named = this.#properties(schema, pointer, depth, further, allowed ?? [])
    if (named.length > 0) return sequence(text('{'), this.#named(named), text('}'))
    const closed = keyword(schema, 'properties') !== undefined && keyword(schema, 'additionalProperties') === undefined
    if (closed || allowed !== undefined) return text('{}')
    const value = this.#read(further, depth + 1)
    return members(this.#define(sequence(rule('string'), colon, value)))
  }

  /** Those of `properties`, then those that are required or allowed only. */
  #properties(schema: SchemaObject, pointer: string, depth: number, further: Place, allowed: readonly string[]): Property[] {
    const given = keyword(schema, 'properties')
    const properties = given === undefined ? {} : given
    if (!isObject(properties)) throw refused(below(pointer, 'properties'), 'is no object')
    const required = list(schema, 'required', pointer) ?? []
    if (required.some((name) => typeof name !== 'string')) throw refused(below(pointer, 'required'), 'is no list of names')
    const places = new Map(
      Object.entries(properties).map(([name, value]) => [name, asSchema(value, below(pointer, 'properties', name))]),
    )
    for (const name of [...(required as readonly string[]), ...allowed]) if (!places.has(name)) places.set(name, further)
    return [...places].map(([name, place]) => ({
      member: sequence(literal(name), colon, this.#read(place, depth + 1)),
      required: required.includes(name),
    }))
  }

  /** In their order, with a comma between each two that are there. */
  #named(properties: readonly Property[]): Expression {
    let behind: Expression = text('')
    let first: Expression = text('')
    for (const { member: each, required } of [...properties].reverse()) {
      const member = this.#define(each)
      const begun = sequence(member, behind)
      first = this.#define(required ? begun : choice([begun, first]))
      const next = sequence(comma, member)
      behind = this.#define(sequence(required ? next : optional(next), behind))
    }
    return first
  }
}

type WholeReader = (schema: SchemaObject, constraints: readonly string[], pointer: string, depth: number) => Expression

interface Property {
  readonly member: Expression
  readonly required: boolean
}

/** Of a keyword; without it anything is valid. */
function subschema(schema: SchemaObject, name: string, pointer: string): Place {
  return asSchema(Object.hasOwn(schema, name) ? schema[name] : true, below(pointer, name))
}

function nameOf({ pointer }: Place): string {
  return `at ${pointer}`
}

function bounded(most: number): number | undefined {
  return most === Number.POSITIVE_INFINITY ? undefined : most
}

/** Of constants, those of the schema's types. */
function values(
  schema: SchemaObject,
  name: string,
  given: readonly unknown[],
  constraints: readonly string[],
  pointer: string,
): Expression {
  refuseBeside(constraints, name, ['type'], pointer)
  const types = declaredTypes(schema, pointer)
  return choice(given.filter((value) => types?.some((type) => isOfType(value, type)) ?? true).map(literal))
}

/** `[least, most]` elements, each of the first ones with an expression of its own. */
function tuple(prefix: readonly Expression[], rest: Expression, least: number, most: number | undefined): Expression {
  const beyond = most === undefined ? undefined : Math.max(0, most - prefix.length)
  let behind = repeat(sequence(comma, rest), Math.max(0, least - prefix.length), beyond)
  for (let i = Math.min(prefix.length, most ?? prefix.length) - 1; i >= 0; i--) {
    const here = sequence(...(i === 0 ? [] : [comma]), prefix[i]!, behind)
    behind = i < least ? here : optional(here)
  }
  return sequence(text('['), most === 0 ? text('') : behind, text(']'))
}
