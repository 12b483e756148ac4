import { OptionError } from '../base/errors.ts'
import { refuseUnknown } from '../base/options.ts'

/** What rotary positions turn by: the unscaled frequencies are base^(−2i/width), in radians per position. */
export interface RotaryFrequencies {
  readonly base: number
  /** Rotated channels of a head. */
  readonly width: number
  /** Longest sequence that the model is built for. */
  readonly context: number
}

export interface ScaledFrequencies {
  /** One per pair of channels. */
  readonly frequencies: readonly number[]
  /** Rotated queries and keys are this much longer. Default 1. */
  readonly amplitude?: number
}

/** Frequencies for contexts that are longer than the trained one. */
export type RotaryScaling = (given: RotaryFrequencies) => ScaledFrequencies

/** base^(−2i/width). Su et al. 2021. */
export const unscaled: RotaryScaling = ({ base, width }) => ({
  frequencies: Array.from({ length: width / 2 }, (_, i) => base ** ((-2 * i) / width)),
})

/** Positions divided by `factor`. Chen et al. 2023, Extending Context Window of Large Language Models via Positional Interpolation. */
export function linearScaling(options: { readonly factor: number }): RotaryScaling {
  refuseUnknown(options, ['factor'], 'linearScaling')
  const { factor } = options
  checkPositive({ factor })
  return (given) => ({ frequencies: unscaled(given).frequencies.map((frequency) => frequency / factor) })
}

export interface DynamicOptions {
  readonly factor: number
  /** Trained context. */
  readonly original: number
}

/**
 * NTK-aware: a larger base, such that the lowest frequency is stretched like the context and the highest hardly changes. The base
 * follows from the context that the model is built for, not from each sequence's length, so that cached keys stay valid; up to the
 * trained context nothing changes. bloc97 2023, in Peng et al. 2023, appendix A.
 */
export function dynamicScaling(options: DynamicOptions): RotaryScaling {
  refuseUnknown(options, ['factor', 'original'], 'dynamicScaling')
  const { factor, original } = options
  checkPositive({ factor, original })
  return (given) => {
    const { base, width, context } = given
    if (context <= original) return unscaled(given)
    const stretch = (factor * context) / original - (factor - 1)
    return unscaled({ ...given, base: base * stretch ** (width / (width - 2)) })
  }
}

export interface YarnOptions {
  readonly factor: number
  /** Trained context. */
  readonly original: number
  /** Pairs that turn more often than this over the trained context keep their frequency. Default 32. */
  readonly fast?: number
  /** Pairs that turn less often than this are divided by `factor`. Default 1. */
  readonly slow?: number
  /** Default: 0.1·ln(factor) + 1. */
  readonly amplitude?: number
  /** Whether the ramp between the two begins and ends at whole pairs. Default true. */
  readonly truncate?: boolean
}

/** Frequencies between kept and divided by `factor`, along a ramp. Peng et al. 2023, YaRN, section 3. */
export function yarn(options: YarnOptions): RotaryScaling {
  refuseUnknown(options, ['factor', 'original', 'fast', 'slow', 'amplitude', 'truncate'], 'yarn')
  const { factor, original, fast = 32, slow = 1, truncate = true } = options
  const { amplitude = factor > 1 ? 0.1 * Math.log(factor) + 1 : 1 } = options
  checkPositive({ factor, original, fast, slow, amplitude })
  return (given) => {
    const { base, width } = given
    // The pair that turns `turns` times over the trained context.
    const pairOf = (turns: number) => (width * Math.log(original / (turns * 2 * Math.PI))) / (2 * Math.log(base))
    const [first, last] = truncate ? [Math.floor(pairOf(fast)), Math.ceil(pairOf(slow))] : [pairOf(fast), pairOf(slow)]
    const [low, high] = [Math.max(first, 0), Math.min(last, width - 1)]
    const span = low === high ? 0.001 : high - low
    const frequencies = unscaled(given).frequencies.map((frequency, i) => {
      const divided = Math.min(Math.max((i - low) / span, 0), 1)
      return frequency * (1 - divided) + (frequency / factor) * divided
    })
    return { frequencies, amplitude }
  }
}

export interface Llama3Options {
  readonly factor: number
  /** Trained context. */
  readonly original: number
  /** Pairs that turn less often than this over the trained context are divided by `factor`. */
  readonly low: number
  /** Pairs that turn more often than this keep their frequency. */
  readonly high: number
}

/** Frequencies between kept and divided by `factor`, by how often a pair turns over the trained context. Dubey et al. 2024, Llama 3. */
export function llama3Scaling(options: Llama3Options): RotaryScaling {
  refuseUnknown(options, ['factor', 'original', 'low', 'high'], 'llama3Scaling')
  const { factor, original, low, high } = options
  checkPositive({ factor, original, low, high })
  if (!(high > low)) throw new OptionError(`llama3Scaling: high ${high} with low ${low}`, { expected: 'high above low' })
  return (given) => ({
    frequencies: unscaled(given).frequencies.map((frequency) => {
      const turns = (original * frequency) / (2 * Math.PI)
      const kept = Math.min(Math.max((turns - low) / (high - low), 0), 1)
      return frequency * kept + (frequency / factor) * (1 - kept)
    }),
  })
}

export interface LongRopeOptions {
  /** Trained context. */
  readonly original: number
  /** What frequencies are divided by, one per pair, where the context is no longer than the trained one. */
  readonly short: readonly number[]
  /** The same for longer contexts. */
  readonly long: readonly number[]
  /** Default 1. */
  readonly amplitude?: number
}

/** Frequencies divided by searched factors. Ding et al. 2024, LongRoPE. */
export function longRope(options: LongRopeOptions): RotaryScaling {
  refuseUnknown(options, ['original', 'short', 'long', 'amplitude'], 'longRope')
  const { original, short, long, amplitude = 1 } = options
  checkPositive({ original, amplitude })
  for (const factor of [...short, ...long]) checkPositive({ factor })
  return (given) => {
    const { frequencies } = unscaled(given)
    const factors = given.context > original ? long : short
    if (factors.length !== frequencies.length) {
      throw new OptionError(`longRope has ${factors.length} factors for ${frequencies.length} pairs of channels`, {
        expected: 'one per pair',
      })
    }
    return { frequencies: frequencies.map((frequency, i) => frequency / factors[i]!), amplitude }
  }
}

function checkPositive(values: Readonly<Record<string, number>>): void {
  for (const [name, value] of Object.entries(values)) {
    if (!(value > 0 && value < Number.POSITIVE_INFINITY))
      throw new OptionError(`rotary scaling: ${name} is ${value}`, { expected: 'a finite number > 0' })
  }
}
