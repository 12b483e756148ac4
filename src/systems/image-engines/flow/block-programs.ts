import { type AffineParameters, affineInverse } from '../../../heads/index.ts'
import type { Device } from '../../../platform/index.ts'
import {
  assign,
  assignRows,
  cast,
  compile,
  float32,
  gather,
  greaterOrEqual,
  int32,
  less,
  range,
  reshape,
  slice,
  type Tensor,
  unsqueeze,
} from '../../../tensor/index.ts'
import type { BlockCache } from './block-cache.ts'
import { columnsAt, type FlowBlock } from './flow-block.ts'
import { type GuidanceRule, guidanceRules } from './guide-affine.ts'

interface GuidanceFeeds {
  /** w of each slot. */
  readonly weight: Tensor
  /** Rows with and without the class, int32 `[2, sample]`. */
  readonly arms: Tensor
}

const guidanceInputs = (slots: number | string) => ({ weight: float32(slots), arms: int32(2, 'B') })

export interface ProgramOptions {
  readonly device: Device
  /** How samples are guided away from their second row, which is without their class; `none`: they have none. */
  readonly guidance: GuidanceRule | 'none'
}

/**
 * μ(x) + σ(x)·z of whole sequences, all at once: `values` and `z` `[row, slot, dimension]` in the block's order. Of guided rows, samples
 * come back.
 */
export function wholeProgram(block: FlowBlock, { device, guidance }: ProgramOptions) {
  const size = [block.slots, block.dimension] as const
  return compile(
    { values: float32('R', ...size), z: float32('R', ...size), labels: int32('R'), ...guidanceInputs(block.slots) },
    ({ values, z, labels, weight, arms }) => ({
      next: next(block.affine(values, labels), z, guidance, { weight, arms }),
    }),
    { device, frozen: true, name: 'flow-block' },
  )
}

const slotInputs = (dimension: number) => ({
  // First what tells the sizes of the others.
  labels: int32('R'),
  /** Which slots these are. */
  at: int32('S'),
  fed: float32('R', 'S', dimension),
  z: float32('R', 'S', dimension),
  ...guidanceInputs('S'),
})

/** The same of a few slots, those before them in a cache that their keys and values join: of as many of them as `count` says. */
export function cachedProgram(block: FlowBlock, cache: BlockCache, { device, guidance }: ProgramOptions) {
  return compile(
    { ...slotInputs(block.dimension), start: int32('R'), count: int32('R') },
    ({ fed, z, labels, at, weight, arms, start, count }) => {
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
      return { next: next(affine, z, guidance, { weight, arms }), rows }
    },
    { device, frozen: true, name: 'flow-slots' },
  )
}

/** The same in the kernel that grows caches in place, which takes one slot of each row, or several of a single row. */
export function growingProgram(block: FlowBlock, cache: BlockCache, { device, guidance }: ProgramOptions) {
  return compile(
    {
      ...slotInputs(block.dimension),
      /** Index of the last slot, per row. */
      last: int32('R'),
      /** The same, plus 1. */
      total: int32(1),
      /** Indices of the slots before these. */
      before: int32('P'),
    },
    ({ fed, z, labels, at, weight, arms, last, total, before }) => {
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
      return { next: next(affine, z, guidance, { weight, arms }), grown }
    },
    { device, frozen: true, inPlace: true, name: 'flow-growing' },
  )
}

/** x of z; with guidance, of the samples that the rows are the arms of. */
function next(affine: AffineParameters, z: Tensor, rule: ProgramOptions['guidance'], { weight, arms }: GuidanceFeeds): Tensor {
  if (rule === 'none') return affineInverse(z, affine)
  const rows = (of: Tensor, arm: number) => gather(of, reshape(slice(arms, 0, arm, arm + 1), [-1]))
  const armOf = ({ mean, logScale }: AffineParameters, arm: number) => ({ mean: rows(mean, arm), logScale: rows(logScale, arm) })
  return affineInverse(rows(z, 0), guidanceRules[rule](armOf(affine, 0), armOf(affine, 1), unsqueeze(weight, 1)))
}
