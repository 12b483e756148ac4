import {
  ancestor,
  and,
  committed,
  earlierGroup,
  not,
  or,
  type Rule,
  role,
  sameGroup,
  sameRole,
  sameSegment,
  sharedSegment,
  sink,
  within,
} from './visibility/rule.ts'

export * from './visibility/analyse.ts'
export * from './visibility/evaluate.ts'
export * from './visibility/fold.ts'
export {
  ancestor,
  and,
  committed,
  earlierGroup,
  everything,
  not,
  or,
  type Rule,
  role,
  type Side,
  sameGroup,
  sameRole,
  sameSegment,
  sharedSegment,
  sink,
  within,
} from './visibility/rule.ts'
export { type TreeIntervals, treeIntervals } from './visibility/tree.ts'

/** Own group and all before it. With one slot per group: ordinary causal attention; with several: block-causal. */
export const causal = or(earlierGroup, sameGroup)

/** Several samples in one row: causal inside each, nothing between them. */
export const packed = and(sameSegment, causal)

/**
 * Two copies of the same values: noisy, mask or query slots see their own group's copies and what is clean before them; clean slots see
 * clean ones. Nobody sees another group's noise.
 */
export const twin = or(
  and(earlierGroup, not(or(role('key', 'noisy'), role('key', 'mask'), role('key', 'query')))),
  and(sameRole, sameGroup),
)

/** Causal, but only the last `window` positions of axis 0, besides the first `sinks`, which are always seen. */
export function streaming(window: number, sinks: number): Rule {
  return and(causal, or(within(window), sink(sinks)))
}

/**
 * Members of a set (segments 1, 2, …) do not see one another; all see the shared segment 0 before them, and it sees all of them.
 * Members that share start positions and groups are then treated alike, in whatever order they stand.
 */
export const setMembers = and(or(sameSegment, sharedSegment('key'), sharedSegment('query')), causal)

/** Drafts see their ancestors and all that is committed; siblings do not see one another. */
export const tree = or(ancestor, and(committed, causal))
