import { OptionError } from '../errors.ts'
import { type Role, roles } from '../slots.ts'

/**
 * Does slot q (the query) see slot k (the key)? A rule is plain data with several readings, all of them folds: `evaluate` (host bits,
 * the oracle), a traced reading in nn/ (a few comparisons of integer columns), and `analyse` (what may be cached or dropped). Rules
 * compare columns of a plan; they are never drawn as matrices.
 */
export type Rule =
  | { readonly kind: 'everything' | 'earlierGroup' | 'sameGroup' | 'sameSegment' | 'sameRole' | 'ancestor' | 'committed' }
  | { readonly kind: 'sharedSegment'; readonly of: Side }
  | { readonly kind: 'role'; readonly of: Side; readonly role: Role }
  | { readonly kind: 'within'; readonly window: number; readonly axis: number }
  | { readonly kind: 'sink'; readonly count: number; readonly axis: number }
  | { readonly kind: 'and' | 'or'; readonly rules: readonly Rule[] }
  | { readonly kind: 'not'; readonly rule: Rule }

export type Side = 'query' | 'key'

/** Largest window, sink count and position, so that sums stay in 32 bits. */
const largest = 2 ** 30 - 1

/** Every slot sees every slot. */
export const everything: Rule = { kind: 'everything' }
/** The key's group comes before the query's. */
export const earlierGroup: Rule = { kind: 'earlierGroup' }
export const sameGroup: Rule = { kind: 'sameGroup' }
export const sameSegment: Rule = { kind: 'sameSegment' }
export const sameRole: Rule = { kind: 'sameRole' }
/** The key is the query itself, or its parent in a draft tree, or its parent's parent, and so on. */
export const ancestor: Rule = { kind: 'ancestor' }
/** The key is no draft: it has no parent. */
export const committed: Rule = { kind: 'committed' }

/** One side's segment is 0, the segment shared by all. */
export function sharedSegment(of: Side = 'key'): Rule {
  return { kind: 'sharedSegment', of: checkSide(of) }
}

/** One side has this role. Throws OptionError for an unknown role. */
export function role(of: Side, name: Role): Rule {
  if (!Object.hasOwn(roles, name)) throw new OptionError(`unknown role '${name}'`, { expected: Object.keys(roles).join(', ') })
  return { kind: 'role', of: checkSide(of), role: name }
}

/** Positions on this axis differ by less than `window`, in either direction. A window of 1 is the same position. */
export function within(window: number, axis = 0): Rule {
  return { kind: 'within', window: checkWhole('window', window, 1), axis: checkWhole('axis', axis, 0) }
}

/** The key is one of the first `count` positions of this axis. */
export function sink(count: number, axis = 0): Rule {
  return { kind: 'sink', count: checkWhole('count', count, 0), axis: checkWhole('axis', axis, 0) }
}

/** All of these rules; without any, everything. */
export function and(...rules: readonly Rule[]): Rule {
  return { kind: 'and', rules }
}

/** At least one of these rules; without any, nothing. */
export function or(...rules: readonly Rule[]): Rule {
  return { kind: 'or', rules }
}

export function not(rule: Rule): Rule {
  return { kind: 'not', rule }
}

function checkSide(of: Side): Side {
  if (of !== 'query' && of !== 'key') throw new OptionError(`unknown side '${String(of)}'`, { expected: "'query' or 'key'" })
  return of
}

export function checkWhole(name: string, value: number, least: number): number {
  if (Number.isInteger(value) && value >= least && value <= largest) return value
  throw new OptionError(`${name} is ${String(value)}`, { expected: `an integer from ${least} to ${largest}` })
}
