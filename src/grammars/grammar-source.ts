import * as v from 'valibot'
import { LimitError, OptionError } from '../base/errors.ts'
import { checkOptions } from '../base/options.ts'
import { checkedGrammar } from './check-grammar.ts'
import { readEbnf } from './ebnf.ts'
import { choice, type Grammar, text } from './expression.ts'
import type { GrammarSource } from './grammar-host.ts'
import type { GrammarSpec, TaggedSchema } from './grammar-spec.ts'
import { jsonRules } from './json-grammar.ts'
import { oneTagGrammar } from './one-tag-grammar.ts'
import { printGrammar } from './print-grammar.ts'
import { wholeRegex } from './regex.ts'
import { schemaGrammar } from './schema/schema-grammar.ts'

/** What bounds a grammar before it is made. */
export interface SourceLimits {
  readonly characters: number
  readonly depth: number
}

const texts = v.pipe(v.array(v.pipe(v.string(), v.minLength(1))), v.minLength(1))
const tagList = v.pipe(
  v.array(v.strictObject({ begin: v.pipe(v.string(), v.minLength(1)), schema: v.unknown(), end: v.string() })),
  v.minLength(1),
)
const specSchema = v.variant('kind', [
  v.strictObject({ kind: v.literal('json') }),
  v.strictObject({ kind: v.literal('json-schema'), schema: v.unknown() }),
  v.strictObject({ kind: v.literal('regex'), pattern: v.string() }),
  v.strictObject({ kind: v.literal('ebnf'), grammar: v.string(), root: v.optional(v.string()) }),
  v.strictObject({ kind: v.literal('choice'), choices: texts }),
  v.strictObject({ kind: v.literal('one-tag'), tags: tagList }),
  v.strictObject({
    kind: v.literal('tagged'),
    triggers: texts,
    tags: tagList,
  }),
])

/** The grammar of a specification. Throws OptionError for what is malformed or not supported, LimitError for what is too large. */
export function grammarSource(spec: GrammarSpec, limits: SourceLimits): GrammarSource {
  const checked = plain(spec, limits)
  checkOptions(specSchema, checked, 'the grammar')
  if (checked.kind === 'tagged') return { kind: 'tags', text: structuralTag(checked, limits) }
  return { kind: 'rules', text: rulesOf(grammarOf(checked, limits)) }
}

/** A copy that is JSON and nothing else, of limited size. */
function plain(spec: GrammarSpec, { characters, depth }: SourceLimits): GrammarSpec {
  const written = stringified(spec, characters)
  if (written === undefined) throw new OptionError('the grammar is no object', { expected: "such as { kind: 'json' }" })
  if (written.length > characters) throw tooLarge(characters)
  // The object around it, and the one of a tag, do not count.
  if (depthOf(written) > depth + 3)
    throw new LimitError('the grammar is nested too deeply', { expected: `at most ${depth} levels` })
  return JSON.parse(written)
}

/** Stops early where there are too many values: what holds the same object many times may be far larger than it looks. */
function stringified(spec: unknown, most: number): string | undefined {
  let values = 0
  const counted = (_: string, value: unknown) => {
    if (++values > most) throw tooLarge(most)
    return value
  }
  try {
    return JSON.stringify(spec, counted)
  } catch (cause) {
    if (cause instanceof LimitError) throw cause
    if (cause instanceof RangeError) throw new LimitError('the grammar is nested too deeply', { cause })
    throw new OptionError('the grammar cannot be written as JSON', { expected: 'plain data', cause })
  }
}

function tooLarge(characters: number): LimitError {
  return new LimitError('the grammar is too large', { expected: `at most ${characters} characters` })
}

function depthOf(json: string): number {
  let [depth, deepest] = [0, 0]
  for (const [found] of json.matchAll(/"(?:[^"\\]|\\.)*"|[{}[\]]/g)) {
    if (found === '{' || found === '[') deepest = Math.max(deepest, ++depth)
    else if (found === '}' || found === ']') depth--
  }
  return deepest
}

function grammarOf(spec: Exclude<GrammarSpec, { kind: 'tagged' }>, limits: SourceLimits): Grammar {
  switch (spec.kind) {
    case 'json':
      return { root: 'object', rules: jsonRules }
    case 'json-schema':
      return schemaGrammar(spec.schema, limits.depth)
    case 'regex':
      return { root: 'root', rules: new Map([['root', wholeRegex(spec.pattern)]]) }
    case 'one-tag':
      return oneTagGrammar(spec.tags, limits.depth)
    case 'ebnf':
      return readEbnf(spec.grammar, spec.root)
    case 'choice':
      return { root: 'root', rules: new Map([['root', choice(spec.choices.map((each) => text(wellFormed(each))))]]) }
  }
}

function rulesOf(grammar: Grammar): string {
  return printGrammar(checkedGrammar(grammar))
}

/** xgrammar's structural tag: https://xgrammar.mlc.ai/docs/tutorials/structural_tag.html */
function structuralTag({ triggers, tags }: Extract<GrammarSpec, { kind: 'tagged' }>, limits: SourceLimits): string {
  checkTriggers(triggers, tags)
  const format = {
    type: 'triggered_tags',
    triggers,
    tags: tags.map(({ begin, schema, end }) => ({
      type: 'tag',
      begin: wellFormed(begin),
      content: { type: 'grammar', grammar: rulesOf(schemaGrammar(schema, limits.depth)) },
      end: wellFormed(end),
    })),
    at_least_one: false,
    stop_after_first: false,
  }
  return JSON.stringify({ type: 'structural_tag', format })
}

function checkTriggers(triggers: readonly string[], tags: readonly TaggedSchema[]): void {
  for (const [i, trigger] of triggers.entries()) {
    const other = triggers.find((each, j) => j !== i && each.startsWith(trigger))
    if (other !== undefined) {
      throw new OptionError(`the trigger ${JSON.stringify(other)} begins with another`, {
        expected: `only ${JSON.stringify(trigger)}`,
      })
    }
    if (!tags.some(({ begin }) => begin.startsWith(trigger))) {
      throw new OptionError(`no tag begins with the trigger ${JSON.stringify(trigger)}`)
    }
  }
  const lost = tags.find(({ begin }) => !triggers.some((trigger) => begin.startsWith(trigger)))
  if (lost !== undefined) throw new OptionError(`the tag ${JSON.stringify(lost.begin)} begins with no trigger`)
}

function wellFormed(value: string): string {
  if (!/\p{Surrogate}/u.test(value)) return value
  throw new OptionError('a text has half of a surrogate pair', { expected: 'well-formed Unicode' })
}
