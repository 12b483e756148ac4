import { LimitError, OptionError } from '../base/errors.ts'
import { blockLength, choice, countingOf, type Expression, type Grammar, sequence, text } from './expression.ts'
import { utf8Runs } from './utf8-ranges.ts'

/** Most symbols of a grammar whose repetitions are written out. */
export const mostSymbols = 2 ** 16

/**
 * The same grammar without what never comes to an end. Throws OptionError where a rule is missing or the root matches no text, and LimitError where the grammar is too large with its
 * repetitions written out.
 */
export function checkedGrammar({ root, rules }: Grammar): Grammar {
  for (const [name, expression] of rules) {
    for (const used of namesIn(expression)) {
      if (!rules.has(used)) throw new OptionError(`the rule '${used}', which '${name}' uses, is missing`)
    }
  }
  if (!rules.has(root))
    throw new OptionError(`the grammar has no rule '${root}'`, { expected: `one of ${[...rules.keys()].join(', ')}` })
  const size = [...rules.values()].reduce((sum, expression) => sum + sizeOf(expression), 0)
  if (!(size <= mostSymbols)) {
    throw new LimitError(`the grammar has ${size} symbols`, {
      expected: `at most ${mostSymbols} with its repetitions written out`,
      fix: 'lower the counts of its repetitions',
    })
  }
  const finite = finiteRules(rules)
  if (!finite.has(root)) throw new OptionError('nothing matches', { expected: 'at least one finite text that the grammar matches' })
  const kept = [...rules].filter(([name]) => finite.has(name))
  return { root, rules: new Map(kept.map(([name, expression]) => [name, pruned(expression, finite)])) }
}

/** Of a finite expression: without options that never end, in which a choice of tokens would be lost. */
function pruned(expression: Expression, finite: ReadonlySet<string>): Expression {
  switch (expression.kind) {
    case 'sequence':
      return sequence(...expression.parts.map((part) => pruned(part, finite)))
    case 'choice':
      return choice(expression.options.filter((option) => comesToAnEnd(option, finite)).map((option) => pruned(option, finite)))
    case 'repeat':
      return comesToAnEnd(expression.of, finite) ? { ...expression, of: pruned(expression.of, finite) } : text('')
    default:
      return expression
  }
}

function* namesIn(expression: Expression): Generator<string> {
  if (expression.kind === 'rule') yield expression.name
  else if (expression.kind === 'sequence') for (const part of expression.parts) yield* namesIn(part)
  else if (expression.kind === 'choice') for (const option of expression.options) yield* namesIn(option)
  else if (expression.kind === 'repeat') yield* namesIn(expression.of)
}

function sizeOf(expression: Expression): number {
  switch (expression.kind) {
    case 'text':
      return 1 + expression.text.length
    case 'set':
      return utf8Runs(expression.set).length
    case 'sequence':
      return expression.parts.reduce((sum, part) => sum + sizeOf(part), 1)
    case 'choice':
      return expression.options.reduce((sum, option) => sum + sizeOf(option), 1)
    case 'repeat':
      return sizeOf(expression.of) * timesWritten(expression)
    case 'rule':
      return 1
  }
}

function timesWritten({ of, least, most }: Extract<Expression, { kind: 'repeat' }>): number {
  const parts = [countingOf(of, least, false), countingOf(of, most === undefined ? 1 : most - least, true)]
  return parts.reduce((sum, { blocks, singles }) => sum + blocks + singles + (blocks > 0 ? blockLength : 0), 0)
}

/** Rules that match some finite text. Those that use a rule are looked at again once it is known to. */
function finiteRules(rules: Grammar['rules']): ReadonlySet<string> {
  const users = new Map<string, string[]>([...rules.keys()].map((name) => [name, []]))
  for (const [name, expression] of rules) for (const used of new Set(namesIn(expression))) users.get(used)!.push(name)
  const finite = new Set<string>()
  const waiting = [...rules.keys()]
  for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
    if (finite.has(name) || !comesToAnEnd(rules.get(name)!, finite)) continue
    finite.add(name)
    waiting.push(...users.get(name)!)
  }
  return finite
}

function comesToAnEnd(expression: Expression, finite: ReadonlySet<string>): boolean {
  switch (expression.kind) {
    case 'text':
      return true
    case 'set':
      return expression.set.length > 0
    case 'sequence':
      return expression.parts.every((part) => comesToAnEnd(part, finite))
    case 'choice':
      return expression.options.some((option) => comesToAnEnd(option, finite))
    case 'repeat':
      return expression.least === 0 || comesToAnEnd(expression.of, finite)
    case 'rule':
      return finite.has(expression.name)
  }
}
