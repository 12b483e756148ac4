import { type Role, roles } from '../slots.ts'
import { columnsRead, foldRule, type Operand, type Relation, type VisibilityAlgebra } from './fold.ts'
import type { Rule } from './rule.ts'

/** What holds for a rule over every plan whose parents are in no later group than their children. Claims are sound, not complete. */
export interface Analysis {
  /** No slot sees a slot of a later group: what a committed slot computes never changes, so it may be cached. */
  readonly cacheable: boolean
  /** Roles that later groups never see: such slots need no place in a cache. */
  readonly transient: readonly Role[]
  /** Bounds on what is seen of earlier groups; each holds alone. */
  readonly reaches: readonly Reach[]
}

/**
 * Of slots in earlier groups, only these are seen: position on `axis` less than `window` behind the query's, or below `sinks`.
 * Where positions never decrease from group to group, all others may be dropped.
 */
export interface Reach {
  readonly axis: number
  readonly window: number
  readonly sinks: number
}

/** Where the key's group stands relative to the query's. */
type Standing = 'earlier' | 'same' | 'later'

/** Three-valued logic: minimum is and, maximum is or. */
const never = 0
const perhaps = 1
const always = 2

const roleNames = Object.keys(roles) as Role[]

/**
 * Reads from a rule alone, without any plan, what may be cached and what may be dropped.
 * @example
 * analyse(streaming(256, 4)) // { cacheable: true, transient: [], reaches: [{ axis: 0, window: 256, sinks: 4 }] }
 */
export function analyse(rule: Rule): Analysis {
  return {
    cacheable: roleNames.every((key) => neverSeen(rule, 'later', key)),
    transient: roleNames.filter((key) => neverSeen(rule, 'earlier', key)),
    reaches: axesOf(rule)
      .map((axis) => ({ axis, ...foldRule(rule, reachAlgebra(axis)) }))
      .filter(({ window, sinks }) => Number.isFinite(window) && Number.isFinite(sinks)),
  }
}

function neverSeen(rule: Rule, standing: Standing, key: Role): boolean {
  return roleNames.every((query) => foldRule(rule, verdictAlgebra(standing, query, key)) === never)
}

/** never, perhaps or always: does a query of this role see a key of that role, when the key's group stands so? */
function verdictAlgebra(standing: Standing, query: Role, key: Role): VisibilityAlgebra<number> {
  const roleOf = { query: roles[query], key: roles[key] }
  return {
    constant: (value) => (value ? always : never),
    compare: (left, relation, right) =>
      compareGroups(left, relation, right, standing) ?? compareRoles(left, relation, right, roleOf),
    and: Math.min,
    or: Math.max,
    not: (term) => always - term,
    ancestor: () => (standing === 'later' ? never : perhaps),
  }
}

/** never or always for a comparison of the two groups; undefined for any other. */
function compareGroups(left: Operand, relation: Relation, right: Operand, standing: Standing): number | undefined {
  if (left.of === 'constant' || right.of === 'constant' || left.of === right.of) return undefined
  if (left.column !== 'group' || right.column !== 'group' || left.plus !== right.plus) return undefined
  if (standing === 'same') return relation === 'less' ? never : always
  const leftIsFirst = (left.of === 'key') === (standing === 'earlier')
  return relation !== 'equal' && leftIsFirst ? always : never
}

function compareRoles(left: Operand, relation: Relation, right: Operand, roleOf: { query: number; key: number }): number {
  if (relation !== 'equal') return perhaps
  const [a, b] = [left, right].map((operand) => {
    if (operand.of === 'constant') return operand.value
    return operand.column === 'role' ? roleOf[operand.of] + operand.plus : undefined
  })
  if (a === undefined || b === undefined) return perhaps
  return a === b ? always : never
}

type Bound = Omit<Reach, 'axis'>

const nothing: Bound = { window: 0, sinks: 0 }
const unbounded: Bound = { window: Number.POSITIVE_INFINITY, sinks: 0 }

/** Bounds what is seen on one axis of slots in earlier groups. */
function reachAlgebra(axis: number): VisibilityAlgebra<Bound> {
  return {
    constant: (value) => (value ? unbounded : nothing),
    compare(left, relation, right) {
      if (compareGroups(left, relation, right, 'earlier') === never) return nothing
      return boundOnAxis(`position${axis}`, left, relation, right)
    },
    // Both bounds hold: keep the narrower one.
    and: (a, b) => (a.window < b.window || (a.window === b.window && a.sinks <= b.sinks) ? a : b),
    or: (a, b) => ({ window: Math.max(a.window, b.window), sinks: Math.max(a.sinks, b.sinks) }),
    not: () => unbounded,
    ancestor: () => unbounded,
  }
}

/** query < key + window, or key < sinks. */
function boundOnAxis(column: string, left: Operand, relation: Relation, right: Operand): Bound {
  if (relation !== 'less' || left.of === 'constant' || left.column !== column || left.plus !== 0) return unbounded
  if (left.of === 'key' && right.of === 'constant') return { window: 0, sinks: right.value }
  if (left.of === 'query' && right.of === 'key' && right.column === column) return { window: right.plus, sinks: 0 }
  return unbounded
}

function axesOf(rule: Rule): number[] {
  const axes = columnsRead(rule).filter((column) => column.startsWith('position'))
  return axes.map((column) => Number(column.slice('position'.length))).sort((a, b) => a - b)
}
