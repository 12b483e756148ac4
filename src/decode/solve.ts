import { NonFiniteError, OptionError, ShapeError } from '../base/errors.ts'
import { refuseUnknown } from '../base/options.ts'
import { checkSignal } from './checks.ts'

/**
 * One network call of a continuous sampler: what a head or a whole backbone predicts about `values` at `time` (velocity dx/dt, or ε for
 * 'ddpm'). `step` counts from 0. Guidance belongs in here.
 */
export type FieldCall = (values: Float32Array, time: number, step: number) => Promise<Float32Array>

export type SolveMethod = 'euler' | 'heun' | 'ab2' | 'ddpm'

export interface SolveOptions {
  readonly method: SolveMethod
  /** ᾱ at each of the times, 'ddpm' alone; see `respace`. */
  readonly alphas?: readonly number[]
  /** Standard normal noise of a step from 0, 'ddpm' alone; scale it for a temperature. The last step takes none. */
  readonly noise?: (step: number) => Float32Array
  /** Clean values that a step of 'ddpm' predicts are kept within ±clip. Default: as predicted, which only an exact ε survives where ᾱ is near 0. */
  readonly clip?: number
  readonly signal?: AbortSignal
  /** Called after every step with the values so far; copy what is to be kept. */
  readonly onStep?: (state: SolveState) => void
}

export interface SolveState {
  /** From 1. */
  readonly step: number
  readonly steps: number
  readonly values: Float32Array
}

export interface Solution {
  readonly values: Float32Array
  /** Calls of the field. */
  readonly evaluations: number
}

/** Values at the next time from the values at `times[step]`. */
type Advance = (values: Float32Array, step: number) => Promise<Float32Array>

/** Calls a field, with its result checked. */
type Slope = (values: Float32Array, time: number, step: number) => Promise<Float32Array>

/**
 * Carries `start` along a field: the one loop over network calls of all continuous samplers. The differential equations ('euler',
 * 'heun', 'ab2': two-step Adams–Bashforth, which begins with an Euler step) go from `times[0]` to the last of `times`, one step fewer than
 * there are times, in either direction. 'ddpm' takes a step from each of its falling timesteps, the last one to clean values (Ho et al.
 * 2020, with the smaller of the two variances). Calls: one per step, but two per step of 'heun'.
 *
 * Throws OptionError on times that do not rise or fall throughout and on options that the method does not take, ShapeError when the field
 * or the noise has another length than `start`, NonFiniteError naming the step, and the signal's reason between calls.
 * @example
 * const decay: FieldCall = async (values) => values.map((x) => -x)
 * const { values } = await solve(decay, Float32Array.of(1), evenTimes(20, 0, 1), { method: 'heun' }) // about 1/e
 */
export async function solve(
  field: FieldCall,
  start: Float32Array,
  times: readonly number[],
  options: SolveOptions,
): Promise<Solution> {
  checkOptions(times, options)
  checkFinite(start, 'the start holds')
  const { method, signal, onStep } = options
  const steps = method === 'ddpm' ? times.length : times.length - 1
  let evaluations = 0
  const slope: Slope = async (values, time, step) => {
    signal?.throwIfAborted()
    evaluations++
    const result = await field(values, time, step)
    checkLength('the field', result, values)
    checkFinite(result, `step ${step + 1} of ${steps}, time ${time}: the field gives`)
    return result
  }
  const advance = advances[method](slope, times, options)
  let values = start
  for (let step = 0; step < steps; step++) {
    values = await advance(values, step)
    checkFinite(values, `step ${step + 1} of ${steps}: the values hold`)
    onStep?.({ step: step + 1, steps, values })
  }
  signal?.throwIfAborted()
  return { values, evaluations }
}

/** Most steps of `evenTimes`: ten times the timesteps of published diffusions; each is a call of a network. */
const mostSteps = 10_000

/** `steps` + 1 evenly spaced times from `from` to `to`, both included. Throws OptionError unless `steps` is an integer from 1 to 10,000. */
export function evenTimes(steps: number, from: number, to: number): number[] {
  if (!Number.isSafeInteger(steps) || steps < 1 || steps > mostSteps)
    throw new OptionError(`the number of inner steps is ${steps}`, { expected: `an integer from 1 to ${mostSteps}` })
  return Array.from({ length: steps + 1 }, (_, i) => (from * (steps - i) + to * i) / steps)
}

const advances: Record<SolveMethod, (slope: Slope, times: readonly number[], options: SolveOptions) => Advance> = {
  euler: (slope, times) => async (values, step) => {
    return moved(values, times[step + 1]! - times[step]!, await slope(values, times[step]!, step))
  },

  /** The mean of the slopes at both ends. */
  heun: (slope, times) => async (values, step) => {
    const length = times[step + 1]! - times[step]!
    const first = Float32Array.from(await slope(values, times[step]!, step))
    const second = await slope(moved(values, length, first), times[step + 1]!, step)
    return moved(values, length, first, (i) => (first[i]! + second[i]!) / 2)
  },

  /** Extrapolates the last two slopes to the middle of the step; steps may differ in length. Hairer, Nørsett & Wanner, III.5. */
  ab2: (slope, times) => {
    let before: Float32Array | undefined
    return async (values, step) => {
      const length = times[step + 1]! - times[step]!
      const now = Float32Array.from(await slope(values, times[step]!, step))
      const [past, ratio] = [before ?? now, step === 0 ? 0 : length / (times[step]! - times[step - 1]!)]
      before = now
      return moved(values, length, now, (i) => now[i]! + (ratio / 2) * (now[i]! - past[i]!))
    }
  },

  ddpm: (slope, times, { alphas, noise, clip = Number.POSITIVE_INFINITY }) => {
    return async (values, step) => {
      const last = step === times.length - 1
      const weights = posterior(alphas![step]!, last ? 1 : alphas![step + 1]!)
      const epsilon = await slope(values, times[step]!, step)
      const fresh = last ? undefined : noise!(step)
      if (fresh !== undefined) checkLength('the noise', fresh, values)
      return values.map((value, i) => {
        const clean = weights.fromValue * value - weights.fromEpsilon * epsilon[i]!
        const mean = weights.clean * Math.min(clip, Math.max(-clip, clean)) + weights.value * value
        return fresh === undefined ? mean : mean + weights.deviation * fresh[i]!
      })
    }
  },
}

/** p(x at the next timestep | x now, clean x), from ᾱ now to the larger ᾱ next. Ho et al. 2020, eqs. 7 and 15. */
function posterior(now: number, next: number) {
  const beta = 1 - now / next
  return {
    fromValue: 1 / Math.sqrt(now),
    fromEpsilon: Math.sqrt((1 - now) / now),
    clean: (Math.sqrt(next) * beta) / (1 - now),
    value: (Math.sqrt(1 - beta) * (1 - next)) / (1 - now),
    deviation: Math.sqrt((beta * (1 - next)) / (1 - now)),
  }
}

function moved(
  values: Float32Array,
  length: number,
  slope: Float32Array,
  slopeAt: (i: number) => number = (i) => slope[i]!,
): Float32Array {
  return values.map((value, i) => value + length * slopeAt(i))
}

function checkOptions(times: readonly number[], options: SolveOptions): void {
  const stochastic = options.method === 'ddpm'
  const shared = ['method', 'signal', 'onStep']
  if (!Object.hasOwn(advances, options.method))
    throw new OptionError(`method is ${String(options.method)}`, { expected: Object.keys(advances).join(', ') })
  refuseUnknown(options, stochastic ? [...shared, 'alphas', 'noise', 'clip'] : shared, `solve with ${options.method}`)
  checkSignal(options.signal)
  checkTimes(times, stochastic)
  if (stochastic) checkSchedule(times, options)
}

function checkTimes(times: readonly number[], falling: boolean): void {
  const direction = falling ? -1 : Math.sign(times[1]! - times[0]!)
  const monotone = times.every((time, i) => Number.isFinite(time) && (i === 0 || Math.sign(time - times[i - 1]!) === direction))
  if (times.length >= (falling ? 1 : 2) && monotone && direction !== 0) return
  throw new OptionError(`times are ${times.length > 8 ? `${times.slice(0, 8).join(', ')}, …` : times.join(', ')}`, {
    expected: falling ? 'one or more finite times that fall' : 'two or more finite times that all rise or all fall',
  })
}

function checkSchedule(times: readonly number[], { alphas = [], noise, clip = 1 }: SolveOptions): void {
  const rises = alphas.every((alpha, i) => alpha > (alphas[i - 1] ?? 0) && alpha < 1)
  if (alphas.length !== times.length || !rises) {
    throw new OptionError(`${alphas.length} alphas for ${times.length} times`, {
      expected: 'one for each time, rising, between 0 and 1',
      fix: 'take times and alphas from respace()',
    })
  }
  if (noise === undefined && times.length > 1) throw new OptionError("method 'ddpm' without noise", { expected: 'noise of a step' })
  if (!(clip > 0)) throw new OptionError(`clip is ${clip}`, { expected: 'a number > 0' })
}

function checkLength(what: string, { length }: Float32Array, values: Float32Array): void {
  if (length !== values.length) throw new ShapeError(`${what} has ${length} values`, { expected: `${values.length}` })
}

function checkFinite(values: Float32Array, what: string): void {
  for (let i = 0; i < values.length; i++) {
    if (!Number.isFinite(values[i])) throw new NonFiniteError(`${what} ${values[i]} at place ${i}`, { expected: 'finite numbers' })
  }
}
