import { elementCount } from '../base/dtype.ts'
import { OptionError, ShapeError } from '../base/errors.ts'
import type { Layout } from '../base/model.ts'
import { refuseUnknown } from '../base/options.ts'
import { causal, twin } from '../base/visibility.ts'
import { layOut } from './lay-out.ts'
import { onlyPart } from './only-part.ts'
import type { Order } from './order.ts'
import { planOf, upTo, withCleanCopies } from './slot-list.ts'

/** What is denoised at once: a contiguous cell, every n-th value, one value, one part, or everything. */
export type CellUnit = 'cell' | 'subsample' | 'token' | 'scale' | 'image'

export interface CellOptions {
  readonly unit: CellUnit
  /**
   * Number of groups: for cells and subsamples of a grid either the number on each axis, `[y, x]`, or their product when all axes have the
   * same. The other units have as many groups as the layout has values, parts, or one; a number given is checked against it.
   */
  readonly groups?: number | readonly number[]
  /**
   * What training shows of earlier groups. `'noisy'` (xAR): their noised values, each group at a noise level of its own, zero included.
   * `'clean'` (ACDiT, block diffusion): clean copies beside the noisy slots. Decoding shows clean values either way.
   */
  readonly context?: 'noisy' | 'clean'
}

const units: readonly CellUnit[] = ['cell', 'subsample', 'token', 'scale', 'image']

/**
 * Group after group of noisy values, each denoised while it sees the groups before. Every slot is fed with the noised value that it
 * predicts, at that value's position; the slots of a group stand side by side, row-major.
 *
 * `context: 'noisy'` (the default) has one noisy slot per value, and its steps ask for finished groups to be fed again clean (`refeed`).
 * `context: 'clean'` has a clean copy of every group but the last behind its noisy slots; nobody sees another group's noise.
 * Throws OptionError on options that are unknown or out of range; `plan` throws ShapeError when the layout cannot be divided so.
 * Source: xAR, arXiv:2502.20388; ACDiT, arXiv:2412.07720.
 * @example
 * cells({ unit: 'cell', groups: 2 }).plan({ parts: [{ shape: [4] }] }).group // 1, 1, 2, 2
 * cells({ unit: 'subsample', groups: 2 }).plan({ parts: [{ shape: [4] }] }).target // 0, 2, 1, 3
 */
export function cells(options: CellOptions): Order {
  checkCellOptions(options)
  const { unit, groups, context = 'noisy' } = options
  const counted = groups === undefined ? '' : ` × ${[groups].flat().join('·')}`
  return {
    name: `cells(${unit}${counted}, ${context} context)`,
    plan(layout) {
      const { position } = layOut(layout)
      const partition = partitionOf(layout, options)
      if (context === 'clean')
        return planOf(
          withCleanCopies(partition, 'noisy', (value) => value),
          position,
          twin,
        )
      const slots = partition.flatMap((values, index) =>
        values.map((value) => ({ role: 'noisy' as const, group: index + 1, place: value, source: value, target: value })),
      )
      return { ...planOf(slots, position, causal), refeed: true }
    },
  }
}

function checkCellOptions(options: CellOptions): void {
  refuseUnknown(options, ['unit', 'groups', 'context'], 'cells')
  const { unit, groups, context = 'noisy' } = options
  if (!units.includes(unit)) throw new OptionError(`unit is ${String(unit)}`, { expected: units.join(', ') })
  if (context !== 'noisy' && context !== 'clean')
    throw new OptionError(`context is ${String(context)}`, { expected: 'noisy or clean' })
  const divides = unit === 'cell' || unit === 'subsample'
  if (groups === undefined) {
    if (divides) throw new OptionError(`unit ${unit} without groups`, { expected: 'their number, or the number on each axis' })
    return
  }
  if (typeof groups !== 'number' && !divides)
    throw new OptionError(`groups are [${groups}] of unit ${unit}`, { expected: 'a number, or none' })
  const counts = [groups].flat()
  if (counts.length > 0 && counts.every((count) => Number.isSafeInteger(count) && count > 0)) return
  throw new OptionError(`groups are ${counts.join(', ')}`, { expected: 'positive integers' })
}

/** The values of each group, groups in order, values row-major. */
function partitionOf(layout: Layout, { unit, groups }: CellOptions): number[][] {
  if (unit === 'cell' || unit === 'subsample') return divide(onlyPart(layout, `unit ${unit}`), unit, groups!)
  const sizes = layout.parts.map(({ shape }) => elementCount(shape))
  const total = sizes.reduce((sum, size) => sum + size, 0)
  const lengths = unit === 'image' ? [total] : unit === 'scale' ? sizes : Array<number>(total).fill(1)
  if (groups !== undefined && groups !== lengths.length)
    throw new ShapeError(`${groups} groups of unit ${unit}`, { expected: `${lengths.length}, as the layout has` })
  let end = 0
  return lengths.map((length) => {
    end += length
    return upTo(length).map((index) => end - length + index)
  })
}

function divide(shape: readonly number[], unit: 'cell' | 'subsample', groups: number | readonly number[]): number[][] {
  const counts = countsByAxis(shape, groups)
  const values = Array.from({ length: elementCount(counts) }, (): number[] => [])
  for (let value = 0; value < elementCount(shape); value++) values[groupOf(value, shape, counts, unit)]!.push(value)
  return values
}

function countsByAxis(shape: readonly number[], groups: number | readonly number[]): readonly number[] {
  const root = typeof groups === 'number' ? Math.round(groups ** (1 / shape.length)) : 0
  const counts = typeof groups === 'number' ? shape.map(() => root) : groups
  if (typeof groups === 'number' && elementCount(counts) !== groups)
    throw new ShapeError(`${groups} groups on ${shape.length} axes`, {
      expected: 'as many on each axis',
      fix: 'give the number on each axis, as a list',
    })
  const fits = counts.length === shape.length && shape.every((size, axis) => size % counts[axis]! === 0)
  if (!fits)
    throw new ShapeError(`[${counts}] groups of a grid [${shape}]`, { expected: 'numbers that divide its sizes, one per axis' })
  return counts
}

/** Cells are numbered row-major; so are the phases of subsamples: axis remainders modulo the number of groups. */
function groupOf(value: number, shape: readonly number[], counts: readonly number[], unit: 'cell' | 'subsample'): number {
  let rest = value
  let group = 0
  let weight = 1
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    const size = shape[axis]!
    const count = counts[axis]!
    const coordinate = rest % size
    group += weight * (unit === 'cell' ? Math.floor(coordinate / (size / count)) : coordinate % count)
    rest = Math.floor(rest / size)
    weight *= count
  }
  return group
}
