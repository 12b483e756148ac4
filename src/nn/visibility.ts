import { GraphError } from '../base/errors.ts'
import type { SlotColumns } from '../base/model.ts'
import { type Column, columnOf, foldRule, type Rule } from '../base/visibility.ts'
import { sameShape } from '../tensor/dimension.ts'
import { add, and, constant, equal, expand, less, lessOrEqual, not, or, reshape, scalar, type Tensor } from '../tensor/index.ts'

/** Integer columns of slots as tensors `[batch or 1, slot]`. Only those that the rule reads are needed. */
export type TracedColumns = { readonly [C in Column]?: Tensor }

/** All columns of slots, as constants `[1, slot]`. What no rule reads is in no program. */
export function constantColumns(slots: SlotColumns): TracedColumns {
  const axes = slots.position.map((_, axis): Column => `position${axis}`)
  const names: Column[] = ['role', 'group', 'segment', 'parent', 'enter', 'exit', ...axes]
  const columns = names.map((name) => [name, constant(Int32Array.from(columnOf(slots, name)), [1, slots.length], 'int32')])
  return Object.fromEntries(columns) as TracedColumns
}

/**
 * A visibility rule as a few comparisons of columns: bool `[batch or 1, query, key]`. Throws GraphError when a column that the rule
 * reads is missing.
 */
export function traceVisibility(rule: Rule, queries: TracedColumns, keys: TracedColumns): Tensor {
  const shape = maskShape(queries, keys)
  const side = { query: { columns: queries, axis: 2 }, key: { columns: keys, axis: 1 } }
  const operand = (of: Parameters<Compare>[0]): Tensor => {
    if (of.of === 'constant') return scalar(of.value, 'int32')
    const { columns, axis } = side[of.of]
    const column = columns[of.column]
    if (column === undefined)
      throw new GraphError(`visibility reads column ${of.column} of ${of.of} slots`, { fix: 'give it in their columns' })
    const spread = reshape(column, column.shape.toSpliced(axis, 0, 1))
    return of.plus === 0 ? spread : add(spread, of.plus)
  }
  const mask = foldRule<Tensor>(rule, {
    constant: (value) => expand(scalar(Number(value), 'bool'), shape),
    compare: (left, relation, right) => compare[relation](operand(left), operand(right)),
    and,
    or,
    not,
  })
  // A rule about one side only has size 1 on the other.
  return sameShape(mask.shape.slice(1), shape.slice(1)) ? mask : expand(mask, [mask.shape[0]!, ...shape.slice(1)])
}

type Compare = Parameters<typeof foldRule<Tensor>>[1]['compare']

const compare = { equal, less, atMost: lessOrEqual } as const

function maskShape(queries: TracedColumns, keys: TracedColumns) {
  const [query, key] = [Object.values(queries)[0], Object.values(keys)[0]]
  if (query === undefined || key === undefined) throw new GraphError('slots without columns', { expected: 'at least one column' })
  return [1, query.shape[1]!, key.shape[1]!]
}
