import { OptionError, ShapeError } from '../errors.ts'
import type { SlotColumns } from '../slots.ts'
import { type Column, foldRule, type Operand, type Relation } from './fold.ts'
import type { Rule } from './rule.ts'
import { checkParents, treeIntervals } from './tree.ts'

/** Most slots whose pairs are laid out one by one on the host. */
const mostSlots = 2 ** 14

/** Does the slot at index `query` see the slot at index `key`? */
export type Sight = (query: number, key: number) => boolean

/**
 * The bits of a rule, `[query, key]`, row-major: 1 where the query sees the key. The oracle of all other readings.
 * Throws ShapeError when columns disagree or an axis is missing, DataError on a broken tree, OptionError above 16,384 slots.
 * @example
 * evaluate(causal, raster().plan({ parts: [{ shape: [3] }] })) // 1 0 0  1 1 0  1 1 1
 */
export function evaluate(rule: Rule, columns: SlotColumns): Uint8Array {
  const { length } = columns
  if (length > mostSlots) {
    throw new OptionError(`${length} slots are too many to evaluate pair by pair`, {
      expected: `at most ${mostSlots}`,
      fix: 'use the traced reading',
    })
  }
  const sight = sightOf(rule, columns)
  const bits = new Uint8Array(length * length)
  for (let query = 0; query < length; query++) {
    for (let key = 0; key < length; key++) bits[query * length + key] = Number(sight(query, key))
  }
  return bits
}

/** One bit of `evaluate`. For many pairs, keep the function that `sightOf` returns. */
export function sees(rule: Rule, columns: SlotColumns, query: number, key: number): boolean {
  for (const slot of [query, key]) {
    if (!Number.isInteger(slot) || slot < 0 || slot >= columns.length) {
      throw new OptionError(`there is no slot ${slot}`, { expected: `an index below ${columns.length}` })
    }
  }
  return sightOf(rule, columns)(query, key)
}

/** A rule as a function of two slot indices. Checks the columns once. */
export function sightOf(rule: Rule, columns: SlotColumns): Sight {
  checkColumns(columns)
  return foldRule<Sight>(rule, {
    constant: (value) => () => value,
    compare: (left, relation, right) => compare(reader(left, columns), relation, reader(right, columns)),
    and: (left, right) => (query, key) => left(query, key) && right(query, key),
    or: (left, right) => (query, key) => left(query, key) || right(query, key),
    not: (term) => (query, key) => !term(query, key),
    ancestor: () => (query, key) => isAncestor(columns.parent, query, key),
  })
}

/** The values of a column. Throws ShapeError when the plan has no such axis. */
export function columnOf(columns: SlotColumns, column: Column): Int32Array | Uint8Array {
  switch (column) {
    case 'role':
    case 'group':
    case 'segment':
    case 'parent':
      return columns[column]
    case 'enter':
    case 'exit':
      return treeIntervals(columns.parent)[column]
    default:
      return axisOf(columns, column)
  }
}

/** Throws ShapeError unless every column has one entry per slot, DataError unless parents come before children. */
export function checkColumns(columns: SlotColumns): void {
  const { length, role, group, segment, parent, position } = columns
  const named = { role, group, segment, parent, ...Object.fromEntries(position.map((axis, index) => [`position ${index}`, axis])) }
  for (const [name, column] of Object.entries(named)) {
    if (column.length !== length)
      throw new ShapeError(`column '${name}' has ${column.length} entries`, { expected: `${length}, one per slot` })
  }
  checkParents(parent)
}

function axisOf(columns: SlotColumns, column: string): Int32Array {
  const axis = columns.position[Number(column.slice('position'.length))]
  if (axis) return axis
  throw new ShapeError(`the visibility rule reads '${column}'`, {
    expected: `one of the plan's ${columns.position.length} position columns`,
  })
}

function reader(operand: Operand, columns: SlotColumns): (query: number, key: number) => number {
  if (operand.of === 'constant') return () => operand.value
  const values = columnOf(columns, operand.column)
  const { plus } = operand
  return operand.of === 'query' ? (query) => values[query]! + plus : (_query, key) => values[key]! + plus
}

function compare(left: ReturnType<typeof reader>, relation: Relation, right: ReturnType<typeof reader>): Sight {
  if (relation === 'equal') return (query, key) => left(query, key) === right(query, key)
  if (relation === 'less') return (query, key) => left(query, key) < right(query, key)
  return (query, key) => left(query, key) <= right(query, key)
}

function isAncestor(parent: Int32Array, query: number, key: number): boolean {
  let slot = query
  while (slot > key) slot = parent[slot]!
  return slot === key
}
