import { choice, type Expression, type Grammar, rule, sequence, text } from './expression.ts'
import type { TaggedSchema } from './grammar-spec.ts'
import { jsonRules } from './json-grammar.ts'
import { schemaGrammar } from './schema/schema-grammar.ts'

/** One of the tags: each schema keeps its own rules, so that its references lead nowhere else. Throws as `schemaGrammar` does. */
export function oneTagGrammar(tags: readonly TaggedSchema[], depth: number): Grammar {
  const rules = new Map(jsonRules)
  const options = tags.map(({ begin, schema, end }, i) => {
    const own = schemaGrammar(schema, depth)
    const named = (name: string) => (jsonRules.has(name) ? name : `tag ${i} ${name}`)
    for (const [name, expression] of own.rules) if (!jsonRules.has(name)) rules.set(named(name), renamed(expression, named))
    return sequence(text(begin), rule(named(own.root)), text(end))
  })
  return { root: 'root', rules: rules.set('root', choice(options)) }
}

function renamed(expression: Expression, named: (name: string) => string): Expression {
  switch (expression.kind) {
    case 'rule':
      return rule(named(expression.name))
    case 'sequence':
      return { ...expression, parts: expression.parts.map((part) => renamed(part, named)) }
    case 'choice':
      return { ...expression, options: expression.options.map((option) => renamed(option, named)) }
    case 'repeat':
      return { ...expression, of: renamed(expression.of, named) }
    default:
      return expression
  }
}
