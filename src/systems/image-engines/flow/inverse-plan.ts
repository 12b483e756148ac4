import * as v from 'valibot'
import { OptionError } from '../../../base/errors.ts'
import { checkOptions, positive, wholeNumber } from '../../../base/options.ts'

/** What iterations of a block begin with: the numbers they invert, or zeros. */
export type Start = 'z' | 'zeros'

/** One slot after another, each once: exact. */
export interface SequentialInverse {
  readonly kind: 'sequential'
}

/**
 * All slots at once, again and again: x ← μ(x) + σ(x)·z. Slot i is exact after i + 1 iterations, so that as many as there are slots give what
 * `sequential` gives. Song et al. 2021; Liu et al. 2025 (GS-Jacobi).
 */
export interface JacobiInverse {
  readonly kind: 'jacobi'
  /** A sample is done when no number of it changed by more than this: what it becomes does not depend on its company. */
  readonly tolerance: number
  /** Most iterations. Default: as many as slots. */
  readonly iterations?: number
  /** Default `z`. */
  readonly start?: Start
  /** Iterates are cut off at ± this. Default: not. */
  readonly clamp?: number
}

/** Segments of slots one after another, each by Jacobi iterations that see the finished ones through a cache. Liu et al. 2025. */
export interface GaussSeidelJacobiInverse extends Omit<JacobiInverse, 'kind'> {
  readonly kind: 'gauss-seidel-jacobi'
  /** How many; divides the slots. `iterations` is then per segment, by default as many as it has slots. */
  readonly segments: number
}

export type Inverse = SequentialInverse | JacobiInverse | GaussSeidelJacobiInverse

/** A way to invert all blocks, one per block (in the order of `FlowStack.blocks`), or `auto`: the cheapest for the batch of what was tried on data. */
export type InverseRequest = 'sequential' | 'auto' | Inverse | readonly Inverse[]

const iterated = {
  tolerance: positive,
  iterations: v.optional(wholeNumber(1)),
  start: v.optional(v.picklist(['z', 'zeros'])),
  clamp: v.optional(positive),
}

const inverseSchema = v.variant('kind', [
  v.strictObject({ kind: v.literal('sequential') }),
  v.strictObject({ kind: v.literal('jacobi'), ...iterated }),
  v.strictObject({ kind: v.literal('gauss-seidel-jacobi'), segments: wholeNumber(1), ...iterated }),
])

/**
 * The inverse of each block; undefined for `auto`. Throws OptionError on what is unknown or out of range, on segments that do not divide the
 * slots, and on a plan for another number of blocks.
 */
export function readInverses(
  request: unknown,
  sizes: { readonly blocks: number; readonly slots: number },
): readonly Inverse[] | undefined {
  if (request === 'auto') return undefined
  const each = request === 'sequential' ? { kind: 'sequential' } : request
  const all = Array.isArray(each) ? (each as unknown[]) : new Array<unknown>(sizes.blocks).fill(each)
  if (all.length !== sizes.blocks)
    throw new OptionError(`inverse: ${all.length} for ${sizes.blocks} blocks`, { expected: 'one per block, or one for all' })
  for (const [block, inverse] of all.entries()) checkInverse(inverse, `inverse of block ${block}`, sizes.slots)
  return all as Inverse[]
}

function checkInverse(inverse: unknown, what: string, slots: number): void {
  checkOptions(inverseSchema, inverse, what)
  const { kind, segments } = inverse as GaussSeidelJacobiInverse
  if (kind !== 'gauss-seidel-jacobi' || slots % segments === 0) return
  const divisors = Array.from({ length: slots }, (_, i) => i + 1).filter((count) => slots % count === 0)
  throw new OptionError(`${what}: ${segments} segments of ${slots} slots`, { expected: `one of ${divisors.join(', ')}` })
}
