import type { Layout, Plan } from '../../base/model.ts'

/** The axes of a plan's positions that say where in its part a slot stands. Of several parts the first axis says which, as learned places do already. */
export function gridAxes({ parts }: Layout, { position }: Plan): number[] {
  return [...position.keys()].slice(parts.length > 1 ? 1 : 0)
}
