import type { Role } from './model.ts'

/**
 * Does slot q see slot k? A rule is plain data with three readings: `evaluate` (host bits, the oracle), a traced reading in nn/
 * (a few comparisons of integer columns), and `analyse` (what may be cached or dropped). Rules compare columns of a plan; they are
 * never drawn as matrices.
 */
export type Rule =
  | { readonly kind: 'sameGroup' | 'earlierGroup' | 'sameSegment' | 'sharedSegment' | 'sameRole' | 'ancestor' }
  | { readonly kind: 'role'; readonly of: 'query' | 'key'; readonly role: Role }
  | { readonly kind: 'within'; readonly window: number; readonly axis: number }
  | { readonly kind: 'sink'; readonly count: number; readonly axis: number }
  | { readonly kind: 'everything' }
  | { readonly kind: 'and' | 'or'; readonly rules: readonly Rule[] }
  | { readonly kind: 'not'; readonly rule: Rule }
