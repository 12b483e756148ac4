import * as v from 'valibot'
import { checkOptions, nonNegative, positive, wholeNumber } from '../base/options.ts'

/** The learning rate of an update, a pure function of how many updates came before it. */
export type Schedule = (step: number) => number

const settings = {
  peak: positive,
  /** Updates on the way up. */
  warmup: v.optional(wholeNumber(0)),
  steps: wholeNumber(1),
  floor: v.optional(nonNegative),
}

export interface CosineOptions {
  /** The highest rate. */
  readonly peak: number
  /** Updates of linear growth before the peak. Default 0. */
  readonly warmup?: number
  /** Updates in all; from then on the rate stays at the floor. */
  readonly steps: number
  /** The last rate. Default 0. */
  readonly floor?: number
}

export interface WsdOptions extends CosineOptions {
  /** Share of all updates that the final decay takes, in (0, 1]. Default 0.2. */
  readonly decayFraction?: number
}

/** The same rate always. */
export function constant(rate: number): Schedule {
  checkOptions(nonNegative, rate, 'learning rate')
  return () => rate
}

/**
 * Linear warm-up, then half a cosine from peak to floor. Loshchilov & Hutter 2017.
 * @throws OptionError
 * @example
 * const schedule = cosine({ peak: 1e-3, warmup: 100, steps: 2000, floor: 1e-4 })
 */
export function cosine(options: CosineOptions): Schedule {
  checkOptions(withRoom(v.strictObject(settings)), options, 'cosine')
  const { peak, warmup = 0, steps, floor = 0 } = options
  return (step) => {
    const progress = Math.min(1, (step - warmup) / (steps - warmup))
    return warming(step, warmup, peak) ?? floor + ((peak - floor) * (1 + Math.cos(Math.PI * progress))) / 2
  }
}

/**
 * Warm-up, a stable stretch at the peak, then a linear decay to the floor. Hu et al. 2024.
 * @throws OptionError
 * @example
 * const schedule = wsd({ peak: 1e-3, warmup: 100, steps: 2000, decayFraction: 0.2 })
 */
export function wsd(options: WsdOptions): Schedule {
  const decayFraction = v.optional(v.pipe(v.number(), v.gtValue(0), v.maxValue(1)))
  checkOptions(withRoom(v.strictObject({ ...settings, decayFraction })), options, 'wsd')
  const { peak, warmup = 0, steps, floor = 0, decayFraction: share = 0.2 } = options
  const start = Math.max(warmup, steps * (1 - share))
  return (step) => {
    const progress = Math.min(1, Math.max(0, (step - start) / (steps - start)))
    return warming(step, warmup, peak) ?? peak + (floor - peak) * progress
  }
}

/** Never 0: an update at rate 0 would be wasted. */
function warming(step: number, warmup: number, peak: number): number | undefined {
  return step < warmup ? (peak * (step + 1)) / (warmup + 1) : undefined
}

type Shared = Pick<CosineOptions, 'peak' | 'warmup' | 'steps' | 'floor'>

function withRoom<S extends v.GenericSchema<unknown, { peak: number; steps: number }>>(schema: S) {
  return v.pipe(
    schema as v.GenericSchema<unknown, Shared>,
    v.check(({ warmup = 0, steps }) => warmup < steps, 'warmup must be shorter than steps'),
    v.check(({ peak, floor = 0 }) => floor <= peak, 'floor must not be above peak'),
  )
}
