import { DataError } from '../errors.ts'

/** Nested intervals of a forest: slot k is slot q or an ancestor of it exactly when enter[k] ≤ enter[q] and exit[q] ≤ exit[k]. */
export interface TreeIntervals {
  readonly enter: Int32Array
  readonly exit: Int32Array
}

/**
 * Numbers a forest in preorder: `enter` is a slot's number, `exit` the last number among its descendants. Roots have parent -1.
 * Throws DataError unless every parent comes before its children.
 * @example
 * treeIntervals([-1, 0, 0, 1]) // enter 0 1 3 2, exit 3 2 3 2
 */
export function treeIntervals(parent: ArrayLike<number>): TreeIntervals {
  checkParents(parent)
  const sizes = subtreeSizes(parent)
  const enter = new Int32Array(parent.length)
  const exit = new Int32Array(parent.length)
  const nextChild = new Int32Array(parent.length)
  let nextRoot = 0
  for (let slot = 0; slot < parent.length; slot++) {
    const above = parent[slot]!
    enter[slot] = above < 0 ? nextRoot : nextChild[above]!
    exit[slot] = enter[slot]! + sizes[slot]! - 1
    nextChild[slot] = enter[slot]! + 1
    if (above < 0) nextRoot = exit[slot]! + 1
    else nextChild[above] = exit[slot]! + 1
  }
  return { enter, exit }
}

/** Throws DataError unless every entry is -1 or the index of an earlier slot; so there are no cycles. */
export function checkParents(parent: ArrayLike<number>): void {
  for (let slot = 0; slot < parent.length; slot++) {
    const above = parent[slot]!
    if (Number.isInteger(above) && above >= -1 && above < slot) continue
    throw new DataError(`slot ${slot} has parent ${above}`, { expected: '-1 or the index of an earlier slot' })
  }
}

function subtreeSizes(parent: ArrayLike<number>): Int32Array {
  const sizes = new Int32Array(parent.length).fill(1)
  for (let slot = parent.length - 1; slot >= 0; slot--) {
    const above = parent[slot]!
    if (above >= 0) sizes[above]! += sizes[slot]!
  }
  return sizes
}
