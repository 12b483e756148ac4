import { describe, expect, it } from 'vitest'
import { NonFiniteError, OptionError, ShapeError } from '../../../src/base/errors.ts'
import { createRng } from '../../../src/base/rng.ts'
import { cosineAlphas, evenTimes, type FieldCall, respace, type SolveMethod, solve } from '../../../src/decode/index.ts'
import { mean } from '../rng-statistics.ts'
import { expectNear } from '../tensor/finite-differences.ts'

/** x' = cos(t)·x, a growing coefficient; and a decaying rotation (y, z)' = [[−½, −2], [2, −½]]·(y, z). */
const linear: FieldCall = async ([x, y, z], t) => Float32Array.of(Math.cos(t) * x!, -y! / 2 - 2 * z!, 2 * y! - z! / 2)

/** Its exact values at `t` from (2, 1, −1) at 0. */
function exact(t: number): number[] {
  const [decay, c, s] = [Math.exp(-t / 2), Math.cos(2 * t), Math.sin(2 * t)]
  return [2 * Math.exp(Math.sin(t)), decay * (c + s), decay * (s - c)]
}

const odes = [
  ['euler', 1],
  ['heun', 2],
  ['ab2', 2],
] as const

/** `steps` + 1 times from 0 to 1 whose steps grow. */
const uneven = (steps: number) => evenTimes(steps, 0, 1).map((share) => (share + share ** 2) / 2)

async function errorOf(method: SolveMethod, times: readonly number[]): Promise<number> {
  const { values } = await solve(linear, Float32Array.from(exact(times[0]!)), times, { method })
  return Math.max(...exact(times.at(-1)!).map((x, i) => Math.abs(x - values[i]!)))
}

describe('evenTimes', () => {
  it.each([0, 1.5, 10_001, 1e10, Number.NaN])('refuses %d steps', (steps) => {
    expect(() => evenTimes(steps, 1, 0)).toThrow(OptionError)
    expect(evenTimes(10_000, 1, 0)).toHaveLength(10_001)
  })
})

describe('solve, differential equations', () => {
  it.each(
    odes.flatMap(([method, order]) => [
      { method, order, name: 'forwards', timesOf: (steps: number) => evenTimes(steps, 0, 1) },
      { method, order, name: 'backwards', timesOf: (steps: number) => evenTimes(steps, 1, 0) },
      { method, order, name: 'uneven steps', timesOf: uneven },
    ]),
  )('$method, $name: the error falls with order $order', async ({ method, order, timesOf }) => {
    const errors: number[] = []
    for (const steps of [16, 32, 64]) errors.push(await errorOf(method, timesOf(steps)))
    expect(errors[2]).toBeGreaterThan(1e-5)
    for (let i = 1; i < errors.length; i++) expect(Math.abs(Math.log2(errors[i - 1]! / errors[i]!) - order)).toBeLessThan(0.2)
  })

  it('carries noise to a normal distribution along its exact velocity', async () => {
    const [center, deviation] = [1.5, 0.4]
    const velocity: FieldCall = async (values, t) =>
      values.map((x) => {
        const spread = (1 - t) ** 2 * deviation ** 2 + t ** 2
        return -center + ((t - (1 - t) * deviation ** 2) / spread) * (x - (1 - t) * center)
      })
    const noise = createRng(1).fillNormal(new Float32Array(50))
    const { values } = await solve(velocity, noise, evenTimes(200, 1, 0), { method: 'heun' })
    expectNear(
      values,
      noise.map((z) => center + deviation * z),
      'center + deviation · z',
      1e-3,
    )
  })

  it.each([
    ['euler', 10],
    ['heun', 20],
    ['ab2', 10],
  ] as const)('%s calls the field %i times in ten steps, and leaves the start as it was', async (method, calls) => {
    const seen: (readonly [number, number])[] = []
    const start = Float32Array.of(1, 2, 3)
    const field: FieldCall = (values, time, step) => {
      seen.push([time, step])
      return linear(values, time, step)
    }
    const { evaluations } = await solve(field, start, evenTimes(10, 1, 0), { method })
    expect([evaluations, seen.length]).toEqual([calls, calls])
    expect(start).toEqual(Float32Array.of(1, 2, 3))
    expect(seen[0]).toEqual([1, 0])
    expect(seen.at(-1)).toEqual(method === 'heun' ? [0, 9] : [0.1, 9])
  })

  it('begins ab2 with an Euler step', async () => {
    const start = Float32Array.from(exact(0))
    const [euler, ab2] = [
      await solve(linear, start, [0, 0.1], { method: 'euler' }),
      await solve(linear, start, [0, 0.1], { method: 'ab2' }),
    ]
    expect(ab2.values).toEqual(euler.values)
  })
})

/** The exact ε of normal data. */
const [center, deviation] = [-0.7, 0.5]
const epsilonOf = (x: number, alpha: number) =>
  (Math.sqrt(1 - alpha) * (x - Math.sqrt(alpha) * center)) / (alpha * deviation ** 2 + 1 - alpha)

const schedule = cosineAlphas(1000)
const exactEpsilon: FieldCall = async (values, time) => values.map((x) => epsilonOf(x, schedule[time]!))

/** Mean and variance of the chain's values after the last step, by its linear recursion in doubles. */
function chainMoments(alphas: readonly number[]): readonly [number, number] {
  return alphas.reduce<readonly [number, number]>(
    ([average, variance], now, i) => {
      const next = alphas[i + 1] ?? 1
      const beta = 1 - now / next
      const stepped = (x: number) => {
        const clean = (x - Math.sqrt(1 - now) * epsilonOf(x, now)) / Math.sqrt(now)
        return (Math.sqrt(next) * beta * clean + Math.sqrt(1 - beta) * (1 - next) * x) / (1 - now)
      }
      const slope = stepped(1) - stepped(0)
      return [stepped(average), slope ** 2 * variance + (beta * (1 - next)) / (1 - now)]
    },
    [0, 1],
  )
}

describe('solve, ddpm', () => {
  it.each([1000, 50, 10, 2])('follows the chain of %i steps', async (steps) => {
    const count = 1000
    const rng = createRng(5)
    const { times, alphas } = respace(schedule, steps)
    const noise = (step: number) => rng.fold(step).fillNormal(new Float32Array(count))
    const start = rng.fold('start').fillNormal(new Float32Array(count))
    const { values, evaluations } = await solve(exactEpsilon, start, times, { method: 'ddpm', alphas, noise })
    const [average, variance] = chainMoments(alphas)
    const found = mean(values)
    expect(evaluations).toBe(steps)
    expect(Math.abs(found - average)).toBeLessThan(4 * Math.sqrt(variance / count))
    expect(Math.abs(mean(values.map((x) => (x - found) ** 2)) / variance - 1)).toBeLessThan(4 * Math.sqrt(2 / count))
  })

  it('reaches the mean and variance of the data with many steps', () => {
    const [average, variance] = chainMoments(respace(schedule, 1000).alphas)
    expect(average).toBeCloseTo(center, 3)
    expect(variance / deviation ** 2).toBeCloseTo(1, 1)
  })

  it('keeps clean values within clip', async () => {
    const { times, alphas } = respace(schedule, 4)
    const noise = () => new Float32Array(1)
    const { values } = await solve(exactEpsilon, Float32Array.of(3), times, { method: 'ddpm', alphas, noise, clip: 0.25 })
    expect(values[0]).toBe(-0.25)
  })
})

describe('respace', () => {
  it('takes the first and last timestep, falling, and single steps from the noisiest', () => {
    expect(respace(schedule, 5).times).toEqual([999, 749, 500, 250, 0])
    expect(respace(schedule, 1).times).toEqual([999])
    expect(respace(schedule, 1000).times).toEqual(Array.from({ length: 1000 }, (_, i) => 999 - i))
    for (const count of [0, 1001, 2.5]) expect(() => respace(schedule, count)).toThrow(OptionError)
  })

  it('takes ᾱ from the cosine schedule', () => {
    const level = (t: number) => Math.cos((((t / 1000 + 0.008) / 1.008) * Math.PI) / 2) ** 2
    // Wherever no step is limited, the product telescopes.
    for (const t of [0, 250, 500, 990]) expect(schedule[t]).toBeCloseTo(level(t + 1) / level(0), 12)
    expect(schedule[999]).toBeGreaterThan(0)
    expect(respace(schedule, 5).alphas).toEqual([999, 749, 500, 250, 0].map((t) => schedule[t]))
    expect(() => cosineAlphas(0)).toThrow(OptionError)
  })
})

describe('solve refuses', () => {
  const start = Float32Array.of(1, 1, 1)
  const alphas = [0.1, 0.5]
  const noise = () => new Float32Array(3)
  it.each([
    ['one time', [1], { method: 'euler' }],
    ['times that turn', [0, 1, 0.5], { method: 'euler' }],
    ['times that stand still', [0, 0.5, 0.5], { method: 'heun' }],
    ['infinite times', [0, Number.POSITIVE_INFINITY], { method: 'heun' }],
    ['rising timesteps', [0, 999], { method: 'ddpm', alphas, noise }],
    ['too few alphas', [999, 0], { method: 'ddpm', alphas: [0.1], noise }],
    ['falling alphas', [999, 0], { method: 'ddpm', alphas: [0.5, 0.1], noise }],
    ['alphas of 1', [999, 0], { method: 'ddpm', alphas: [0.5, 1], noise }],
    ['no noise', [999, 0], { method: 'ddpm', alphas }],
    ['a clip of 0', [999, 0], { method: 'ddpm', alphas, noise, clip: 0 }],
    ['noise for an equation', [0, 1], { method: 'euler', noise }],
    ['a method of others', [0, 1], { method: 'rk4' as 'euler' }],
    ['unknown options', [0, 1], { method: 'euler', steps: 3 } as { method: 'euler' }],
  ] as const)('%s', async (_name, times, options) => {
    await expect(solve(linear, start, times, options)).rejects.toThrow(OptionError)
  })

  it('fields and noise of another length', async () => {
    await expect(solve(async () => new Float32Array(2), start, [0, 1], { method: 'euler' })).rejects.toThrow(ShapeError)
    const short = { method: 'ddpm', alphas, noise: () => new Float32Array(2) } as const
    await expect(solve(linear, start, [9, 0], short)).rejects.toThrow(ShapeError)
  })

  it('values that are not finite, naming the step', async () => {
    const breaks: FieldCall = async (values, _time, step) => values.map((x) => (step === 2 ? Number.NaN : x))
    const failed = solve(breaks, start, evenTimes(5, 0, 1), { method: 'euler' })
    await expect(failed).rejects.toThrow(NonFiniteError)
    await expect(failed).rejects.toThrow('step 3 of 5')
    const overflows: FieldCall = async (values) => values.map(() => 3e38)
    await expect(solve(overflows, start, [0, 10, 20], { method: 'euler' })).rejects.toThrow('step 1 of 2')
    await expect(solve(linear, Float32Array.of(Number.NaN, 0, 0), [0, 1], { method: 'euler' })).rejects.toThrow(NonFiniteError)
  })

  it('to go on once the signal says so', async () => {
    const controller = new AbortController()
    const steps: number[] = []
    const onStep = ({ step }: { readonly step: number }) => {
      steps.push(step)
      if (step === 2) controller.abort(new Error('enough'))
    }
    const stopped = solve(linear, start, evenTimes(5, 0, 1), { method: 'euler', signal: controller.signal, onStep })
    await expect(stopped).rejects.toThrow('enough')
    expect(steps).toEqual([1, 2])
  })
})
