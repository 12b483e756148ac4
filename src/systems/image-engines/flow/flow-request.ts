import * as v from 'valibot'
import { OptionError } from '../../../base/errors.ts'
import { checkOptions, nonNegative, positive } from '../../../base/options.ts'
import type { Rng } from '../../../base/rng.ts'
import type { GuidanceScale, SampleRequest } from '../../image-system.ts'
import type { Arms } from './block-runner.ts'
import type { FlowBlock } from './flow-block.ts'
import type { FlowStack } from './flow-stack.ts'
import type { GuidanceRule } from './guide-affine.ts'
import { type Inverse, type InverseRequest, readInverses } from './inverse-plan.ts'

/** Values and labels to choose a plan by. */
export interface CalibrationData {
  /** `[sample, value, dimension]`. */
  readonly values: Float32Array
  readonly labels: Int32Array
}

/** What `SampleOptions.special` may hold. */
export interface FlowOptions {
  /** How blocks are inverted. Default `sequential`. */
  readonly inverse?: InverseRequest
  /** What `auto` chooses its plan by. Default: four samples of the flow itself. */
  readonly calibrate?: CalibrationData
  /** Largest change of a number at which `auto` stops to iterate. Default 1e-4. */
  readonly tolerance?: number
  /** One step x + ν²·∇log p(x) at the end, for flows that were trained with Gaussian noise ν. Default: whenever there was such noise. */
  readonly denoise?: boolean
  /** How guidance works on Gaussians. Default `affine`; `linear` is the older way, for comparison. */
  readonly rule?: GuidanceRule
}

const optionsSchema = v.strictObject({
  inverse: v.optional(v.unknown()),
  calibrate: v.optional(v.strictObject({ values: v.instance(Float32Array), labels: v.instance(Int32Array) })),
  tolerance: v.optional(positive),
  denoise: v.optional(v.boolean()),
  rule: v.optional(v.picklist(['affine', 'linear'])),
})

/** What conditions samples. */
export interface Conditions {
  readonly labels: Int32Array
  readonly guidance?: GuidanceScale | undefined
  readonly rule?: GuidanceRule | undefined
  readonly signal?: AbortSignal | undefined
}

export interface ReadRequest {
  readonly special: FlowOptions
  /** Undefined for `auto`. */
  readonly inverses: readonly Inverse[] | undefined
  readonly temperature: number
  readonly denoises: boolean
}

/** Throws OptionError on what a flow does not take, is out of range or does not fit the flow. */
export function readRequest(
  { labels, rngs, options, given }: SampleRequest,
  { stack, noise, guidable }: { readonly stack: FlowStack; readonly noise: number; readonly guidable: boolean },
): ReadRequest {
  const { special = {}, temperature = 1, guidance = 1 } = options
  checkOptions(optionsSchema, special, 'special')
  checkOptions(nonNegative, temperature, 'temperature')
  if (given !== undefined)
    throw new OptionError('a flow keeps no given values', { fix: 'use a system that generates value by value' })
  checkSamples(labels, rngs, stack)
  if (guidance !== 1 && !guidable)
    throw new OptionError('guidance of a flow that knows no samples without a class', {
      fix: 'train it with classes and a label drop above 0',
    })
  const flow = special as FlowOptions
  if (flow.denoise === true && noise === 0)
    throw new OptionError('denoise: the flow was trained without Gaussian noise', { expected: 'false' })
  checkEffects(flow, { guided: guidance !== 1 && labels.some((label) => label !== stack.classes) })
  const inverses = readInverses(flow.inverse ?? 'sequential', { blocks: stack.blocks.length, slots: stack.slots })
  return { special: flow, inverses, temperature, denoises: flow.denoise ?? noise > 0 }
}

/** Throws OptionError on options of what is not asked for. */
function checkEffects({ inverse, calibrate, tolerance, rule }: FlowOptions, { guided }: { readonly guided: boolean }): void {
  const unused = calibrate === undefined ? tolerance !== undefined && 'tolerance' : 'calibrate'
  if (unused && inverse !== 'auto') {
    throw new OptionError(`special: ${unused} is for inverse 'auto', which is not asked for`, {
      fix: unused === 'calibrate' ? "give inverse: 'auto', or leave it out" : "give inverse: 'auto', or a tolerance in the inverse",
    })
  }
  if (rule !== undefined && !guided)
    throw new OptionError('special: rule without guidance towards a class', { fix: 'give guidance and classes, or leave rule out' })
}

function checkSamples(labels: Int32Array, rngs: readonly Rng[], { classes }: FlowStack): void {
  if (labels.length === 0 || labels.length !== rngs.length)
    throw new OptionError(`${labels.length} labels and ${rngs.length} generators`, { expected: 'one of each per sample' })
  const odd = labels.find((label) => label < 0 || label > classes)
  if (odd !== undefined) throw new OptionError(`label ${odd}`, { expected: `0 to ${classes}` })
}

/** What conditions a block: guidance s is the weight w = s − 1 of `guideAffine`. Throws OptionError on s below 1. */
export function armsOf(block: FlowBlock, { labels, guidance = 1, rule = 'affine' }: Conditions): Arms {
  if (block.classes === 0) return { labels }
  const scales = Float32Array.from({ length: block.slots }, (_, slot) =>
    typeof guidance === 'number' ? guidance : guidance(slot, block.slots),
  )
  const odd = scales.find((scale) => !(scale >= 1 && scale < Number.POSITIVE_INFINITY))
  if (odd !== undefined)
    throw new OptionError(`guidance ${odd}`, { expected: 'a finite number ≥ 1: a flow is not guided away from its condition' })
  return scales.every((scale) => scale === 1) ? { labels } : { labels, rule, weight: scales.map((scale) => scale - 1) }
}

/** Normal numbers, of each sample's own generator. */
export function drawn(rngs: readonly Rng[], size: number, temperature: number): Float32Array {
  const all = new Float32Array(rngs.length * size)
  for (const [sample, rng] of rngs.entries()) rng.fold('z').fillNormal(all.subarray(sample * size, (sample + 1) * size))
  return all.map((x) => x * temperature)
}

/** Values `[sample, value, dimension]` in a block's order, or back. */
export function reordered(values: Float32Array, { targets, slots, dimension }: FlowBlock): Float32Array {
  if (targets.every((value, slot) => value === slot)) return values
  const out = new Float32Array(values.length)
  for (let from = 0; from < values.length; from += slots * dimension)
    for (const [slot, value] of targets.entries())
      out.set(values.subarray(from + value * dimension, from + (value + 1) * dimension), from + slot * dimension)
  return out
}
