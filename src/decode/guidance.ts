import { NonFiniteError, OptionError, ShapeError } from '../base/errors.ts'
import { refuseUnknown } from '../base/options.ts'
import { checkNumber } from './checks.ts'

/** A number for step `step` from 0 to `steps` − 1. */
export type StepSchedule = (step: number, steps: number) => number

const ramps = {
  constant: () => 1,
  linear: (share) => share,
  cosine: (share) => (1 - Math.cos(Math.PI * share)) / 2,
  log: (share) => Math.log1p((Math.E - 1) * share),
  square: (share) => share ** 2,
} satisfies Record<string, (share: number) => number>

export type GuidanceRamp = keyof typeof ramps

/**
 * Scales s of u + s·(c − u): from 1 (no guidance) at the first step to `scale` at the last, but `scale` throughout when constant. With
 * p = step / (steps − 1), the way there is p ('linear'; VAR's 1 + t·p with t = scale − 1), (1 − cos πp)/2, ln(1 + (e − 1)·p) or p²; a single
 * step takes `scale`. Throws OptionError when `scale` is below 0 or not finite, or the ramp is unknown.
 */
export function guidanceScale(ramp: GuidanceRamp, scale: number): StepSchedule {
  checkScale(scale)
  if (!Object.hasOwn(ramps, ramp)) throw new OptionError(`ramp is ${String(ramp)}`, { expected: Object.keys(ramps).join(', ') })
  return (step, steps) => {
    const share = ramps[ramp](steps === 1 ? 1 : step / (steps - 1))
    return 1 - share + scale * share
  }
}

/** The scale of a step, from a number for all or a schedule. Throws OptionError when it is below 0 or not finite. */
export function guidanceAt(scale: number | StepSchedule, step: number, steps: number): number {
  const value = typeof scale === 'function' ? scale(step, steps) : scale
  checkScale(value)
  return value
}

export interface GuidanceInterval {
  /** Default 0. */
  readonly low?: number
  /** Default 1. FlowAR uses about 0.9. */
  readonly high?: number
}

/**
 * `scale` for times within [low, high], 1 (no guidance, so that one arm is enough) for others. Kynkäänniemi et al. 2024. Throws OptionError
 * unless 0 ≤ low ≤ high ≤ 1.
 */
export function guidanceWithin(scale: number, time: number, interval: GuidanceInterval = {}): number {
  refuseUnknown(interval, ['low', 'high'], 'guidance interval')
  const { low = 0, high = 1 } = interval
  if (!(low >= 0 && low <= high && high <= 1))
    throw new OptionError(`guidance between times ${low} and ${high}`, { expected: '0 ≤ low ≤ high ≤ 1' })
  checkScale(scale)
  return time >= low && time <= high ? scale : 1
}

/** Elementwise normal distributions. */
export interface Affine {
  readonly mean: Float32Array
  readonly logScale: Float32Array
}

/**
 * Guides what a network says under a condition away from what it says without: u + scale·(c − u), so that 1 gives c and 0 gives u. Where
 * both are −∞ (forbidden ids) the result is. 'affine' guides normal distributions, with w = scale − 1: r = min(σc/σu, 1)²,
 * D = 1 + w − w·r, μ = ((1 + w)·μc − w·r·μu) / D, σ = σc / √D (Gu et al. 2025, STARFlow); the same as the others where σc = σu.
 *
 * Throws OptionError when the scale is not finite or below 0 (below 1 for 'affine'), ShapeError when the arms differ in length,
 * NonFiniteError when the result is NaN or infinite otherwise.
 */
export function combine(
  conditional: Float32Array,
  unconditional: Float32Array,
  scale: number,
  space: 'logits' | 'velocity' | 'eps' | 'hidden',
): Float32Array
export function combine(conditional: Affine, unconditional: Affine, scale: number, space: 'affine'): Affine
export function combine<Arm extends Float32Array | Affine>(
  conditional: Arm,
  unconditional: Arm,
  scale: number,
  space: string,
): Float32Array | Affine {
  if (!['logits', 'velocity', 'eps', 'hidden', 'affine'].includes(space))
    throw new OptionError(`space is ${space}`, { expected: 'logits, velocity, eps, hidden or affine' })
  if (space === 'affine') return combineAffine(conditional as Affine, unconditional as Affine, scale)
  return combineLinear(conditional as Float32Array, unconditional as Float32Array, scale, space)
}

function combineLinear(conditional: Float32Array, unconditional: Float32Array, scale: number, space: string): Float32Array {
  checkScale(scale)
  checkArms(conditional, unconditional)
  const forbidden = (value: number) => space === 'logits' && value === Number.NEGATIVE_INFINITY
  return conditional.map((c, i) => {
    const u = unconditional[i]!
    if (forbidden(c) && forbidden(u)) return c
    const guided = u + scale * (c - u)
    if (!Number.isFinite(guided)) throw new NonFiniteError(`${space} of ${c} and ${u} at place ${i} cannot be guided`)
    return guided
  })
}

function combineAffine(conditional: Affine, unconditional: Affine, scale: number): Affine {
  checkNumber('affine guidance scale', scale, (value) => value >= 1 && value < Number.POSITIVE_INFINITY, 'a finite number ≥ 1')
  checkArms(conditional.mean, unconditional.mean)
  checkArms(conditional.mean, conditional.logScale)
  checkArms(unconditional.mean, unconditional.logScale)
  const weight = scale - 1
  const ratios = conditional.logScale.map((own, i) => Math.exp(2 * Math.min(own - unconditional.logScale[i]!, 0)))
  const mean = conditional.mean.map((own, i) => {
    const pull = weight * ratios[i]!
    return ((1 + weight) * own - pull * unconditional.mean[i]!) / (1 + weight - pull)
  })
  const logScale = conditional.logScale.map((own, i) => own - Math.log(1 + weight - weight * ratios[i]!) / 2)
  for (const value of [...mean, ...logScale]) {
    if (!Number.isFinite(value)) throw new NonFiniteError(`affine guidance gives ${value}`, { expected: 'finite means and scales' })
  }
  return { mean, logScale }
}

function checkScale(scale: number): void {
  checkNumber('guidance scale', scale, (value) => value >= 0 && value < Number.POSITIVE_INFINITY, 'a finite number ≥ 0')
}

function checkArms({ length }: Float32Array, other: Float32Array): void {
  if (length !== other.length)
    throw new ShapeError(`guidance of ${length} numbers by ${other.length}`, { expected: 'as many in both arms' })
}
