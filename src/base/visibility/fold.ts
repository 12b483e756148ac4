import { OptionError } from '../errors.ts'
import { roles } from '../slots.ts'
import { checkWhole, type Rule, type Side } from './rule.ts'

/**
 * An integer column of a plan. `enter` and `exit` are the intervals of `treeIntervals(parent)`; `position0` is the first axis.
 * `columnOf` gives the values.
 */
export type Column = 'role' | 'group' | 'segment' | 'parent' | 'enter' | 'exit' | `position${number}`

/** One side of a comparison: a column of the query or the key slot, plus a constant; or a constant alone. */
export type Operand =
  | { readonly of: Side; readonly column: Column; readonly plus: number }
  | { readonly of: 'constant'; readonly value: number }

/** `less` is <, `atMost` is ≤. */
export type Relation = 'equal' | 'less' | 'atMost'

/** What a reading of rules must know: how to compare two operands, and how to combine the results. */
export interface VisibilityAlgebra<T> {
  constant(value: boolean): T
  compare(left: Operand, relation: Relation, right: Operand): T
  and(left: T, right: T): T
  or(left: T, right: T): T
  not(term: T): T
  /** Is the key the query or an ancestor of it? Without this, two comparisons of the `enter` and `exit` columns. */
  ancestor?(): T
}

const deepest = 64

/**
 * Reads a rule with an algebra. Throws OptionError on data that is no rule, and on nesting deeper than 64.
 * @example
 * const add = (left: number, right: number) => left + right
 * foldRule(causal, { constant: () => 0, compare: () => 1, and: add, or: add, not: (term) => term }) // 2 comparisons
 */
export function foldRule<T>(rule: Rule, algebra: VisibilityAlgebra<T>, depth = 0): T {
  if (depth > deepest) throw new OptionError('the visibility rule is nested too deeply', { expected: `at most ${deepest} levels` })
  const fold = (inner: Rule) => foldRule(inner, algebra, depth + 1)
  switch (rule.kind) {
    case 'everything':
      return algebra.constant(true)
    case 'earlierGroup':
      return algebra.compare(key('group'), 'less', query('group'))
    case 'sameGroup':
      return algebra.compare(key('group'), 'equal', query('group'))
    case 'sameSegment':
      return algebra.compare(key('segment'), 'equal', query('segment'))
    case 'sameRole':
      return algebra.compare(key('role'), 'equal', query('role'))
    case 'committed':
      return algebra.compare(key('parent'), 'equal', constant(-1))
    case 'ancestor':
      return algebra.ancestor ? algebra.ancestor() : ancestorByIntervals(algebra)
    case 'sharedSegment':
      return algebra.compare(column(rule.of, 'segment'), 'equal', constant(0))
    case 'role':
      return algebra.compare(column(rule.of, 'role'), 'equal', constant(roles[rule.role]))
    case 'within':
      return near(algebra, axisColumn(rule.axis), rule.window)
    case 'sink':
      return algebra.compare(key(axisColumn(rule.axis)), 'less', constant(rule.count))
    case 'and':
      return reduce(rule.rules, fold, algebra.and, () => algebra.constant(true))
    case 'or':
      return reduce(rule.rules, fold, algebra.or, () => algebra.constant(false))
    case 'not':
      return algebra.not(fold(rule.rule))
    default:
      throw new OptionError(`unknown visibility rule '${String((rule as { kind?: unknown }).kind)}'`, {
        fix: 'build rules with the functions of visibility',
      })
  }
}

/** The columns that a rule compares: what a traced reading takes as inputs. */
export function columnsRead(rule: Rule): readonly Column[] {
  const found = new Set<Column>()
  const note = (operand: Operand) => operand.of !== 'constant' && found.add(operand.column)
  const nothing = () => undefined
  foldRule<undefined>(rule, {
    constant: nothing,
    compare(left, _relation, right) {
      note(left)
      note(right)
      return undefined
    },
    and: nothing,
    or: nothing,
    not: nothing,
  })
  return [...found]
}

function reduce<T>(rules: readonly Rule[], fold: (rule: Rule) => T, join: (left: T, right: T) => T, empty: () => T): T {
  const terms = rules.map(fold)
  return terms.length === 0 ? empty() : terms.reduce((left, right) => join(left, right))
}

function near<T>(algebra: VisibilityAlgebra<T>, axis: Column, window: number): T {
  const keyNotTooEarly = algebra.compare(query(axis), 'less', key(axis, window))
  const keyNotTooLate = algebra.compare(key(axis), 'less', query(axis, window))
  return algebra.and(keyNotTooEarly, keyNotTooLate)
}

/** A slot's interval holds those of its descendants. */
function ancestorByIntervals<T>(algebra: VisibilityAlgebra<T>): T {
  return algebra.and(algebra.compare(key('enter'), 'atMost', query('enter')), algebra.compare(query('exit'), 'atMost', key('exit')))
}

function axisColumn(axis: number): Column {
  return `position${checkWhole('axis', axis, 0)}`
}

function column(of: Side, name: Column, plus = 0): Operand {
  return { of, column: name, plus }
}

function query(name: Column, plus = 0): Operand {
  return column('query', name, plus)
}

function key(name: Column, plus = 0): Operand {
  return column('key', name, plus)
}

function constant(value: number): Operand {
  return { of: 'constant', value }
}
