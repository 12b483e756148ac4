import type { Device } from '../../platform/index.ts'
import {
  assign,
  assignRows,
  cast,
  compile,
  float32,
  greaterOrEqual,
  int32,
  less,
  range,
  reshape,
  slice,
  type Tensor,
  unsqueeze,
} from '../../tensor/index.ts'
import { type Affine, colour, guideAffine } from './affine.ts'
import type { BlockCache } from './block-cache.ts'
import { columnsAt, type FlowBlock } from './flow-block.ts'

/** Whether each sample has a second row, without its class, in the second half of the batch. */
export interface ProgramOptions {
  readonly device: Device
  readonly guided: boolean
}

/**
 * μ(x) + σ(x)·z of whole sequences, all at once: `values` and `z` `[row, slot, dimension]` in the block's order. Of guided rows only the
 * first half comes back.
 */
export function wholeProgram(block: FlowBlock, { device, guided }: ProgramOptions) {
  const size = [block.slots, block.dimension] as const
  return compile(
    { values: float32('R', ...size), z: float32('R', ...size), labels: int32('R'), weight: float32(block.slots) },
    ({ values, z, labels, weight }) => ({ next: next(block.affine(values, labels), z, guided ? weight : undefined) }),
    { device, frozen: true, name: 'flow-block' },
  )
}

const slotInputs = (dimension: number, slots: number | string) => ({
  fed: float32('R', slots, dimension),
  z: float32('R', slots, dimension),
  labels: int32('R'),
  /** Which slots these are. */
  at: int32(slots),
  /** How much an unconditional row counts at each of them. */
  weight: float32(slots),
})

/** The same of a few slots, those before them in a cache that their keys and values join: of as many of them as `count` says. */
export function cachedProgram(block: FlowBlock, cache: BlockCache, { device, guided }: ProgramOptions) {
  return compile(
    { ...slotInputs(block.dimension, 'S'), start: int32('R'), count: int32('R') },
    ({ fed, z, labels, at, weight, start, count }) => {
      const places = unsqueeze(cast(range(block.slots), 'int32'), 0)
      const layers = cache.layers.map(({ key, value }) => ({ key: key.tensor, value: value.tensor }))
      const valid = less(places, unsqueeze(start, 1))
      const { affine, added } = block.cachedAffine(
        { fed, at, past: (columns) => ({ kind: 'plain', columns, valid, layers }) },
        labels,
      )
      const rows = cache.layers.flatMap(({ key, value }, layer) => [
        assignRows(key, added[layer]!.key, 2, start, count),
        assignRows(value, added[layer]!.value, 2, start, count),
      ])
      return { next: next(affine, z, guided ? weight : undefined), rows }
    },
    { device, frozen: true, name: 'flow-slots' },
  )
}

/** The same of one slot, in the kernel that grows caches in place. */
export function stepProgram(block: FlowBlock, cache: BlockCache, { device, guided }: ProgramOptions) {
  return compile(
    {
      ...slotInputs(block.dimension, 1),
      /** Index of the slot, per row. */
      last: int32('R'),
      /** The same, plus 1. */
      total: int32(1),
      /** Indices of the slots before it. */
      before: int32('P'),
    },
    ({ fed, z, labels, at, weight, last, total, before }) => {
      const layers = cache.layers.map(({ key, value }) => ({ key: key.tensor, value: value.tensor }))
      const valid = greaterOrEqual(unsqueeze(before, 0), 0)
      const { affine, added } = block.cachedAffine(
        { fed, at, past: (all) => ({ kind: 'growing', columns: columnsAt(all, before), valid, layers, last, total }) },
        labels,
      )
      const grown = cache.layers.flatMap(({ key, value }, layer) => [
        assign(key, added[layer]!.key),
        assign(value, added[layer]!.value),
      ])
      return { next: next(affine, z, guided ? weight : undefined), grown }
    },
    { device, frozen: true, inPlace: true, name: 'flow-step' },
  )
}

/** x of z; with guidance, of the first half of the rows. */
function next(affine: Affine, z: Tensor, weight: Tensor | undefined): Tensor {
  if (weight === undefined) return colour(z, affine)
  const [conditional, unconditional] = [half(affine, 0), half(affine, 1)]
  return colour(halfOf(z, 0), guideAffine(conditional, unconditional, unsqueeze(weight, 1)))
}

function half({ mean, logScale }: Affine, which: 0 | 1): Affine {
  return { mean: halfOf(mean, which), logScale: halfOf(logScale, which) }
}

/** One half of the rows of `[row, slot, dimension]`. */
function halfOf(rows: Tensor, which: 0 | 1): Tensor {
  const [, slots, dimension] = rows.shape
  const halves = reshape(rows, [2, -1, slots!, dimension!])
  return reshape(slice(halves, 0, which, which + 1), [-1, slots!, dimension!])
}
