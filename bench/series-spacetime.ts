import { companionKernel, companionMatrix, kernelByPowers } from 'nextx/nn'
import { type Device, openDevice } from 'nextx/platform'
import { backtest, evaluate, fitForecaster } from 'nextx/systems'
import { compile, float32 } from 'nextx/tensor'
import { gate } from './lib/gate.ts'
import type { Bench, Findings } from './lib/result.ts'
import { summarise } from './lib/statistics.ts'
import { autoregression, exponent, normals, stepFrame } from './series/synthetic.ts'

const seeds = [1, 2, 3]
/** Three slowly dying waves: their factors 1 − 2r·cos(ω)·z + r²·z² multiplied out. */
const waves = expanded([
  [0.98, 0.4],
  [0.97, 1.1],
  [0.96, 2.0],
])
/** What came six steps before, and nothing else: a shift, which no diagonal system of few states can be. */
const shift = [0, 0, 0, 0, 0, 0.95]
const processes = { waves, shift } as const
const horizon = 12
const length = { train: 3000, test: 600 }

function expanded(pairs: readonly (readonly [radius: number, angle: number])[]): number[] {
  const product = pairs.reduce<number[]>(
    (polynomial, [radius, angle]) => {
      const factor = [1, -2 * radius * Math.cos(angle), radius ** 2]
      const out = Array.from({ length: polynomial.length + 2 }, () => 0)
      for (const [i, a] of polynomial.entries()) for (const [j, b] of factor.entries()) out[i + j]! += a * b
      return out
    },
    [1],
  )
  return product.slice(1).map((value) => -value)
}

export const bench: Bench = {
  title: 'SpaceTime: an autoregression that companion state spaces learn and diagonal ones do not, and the cost of their kernels',
  cards: ['48'],
  async run({ quick }): Promise<Findings> {
    await using device = await openDevice({ threads: 1 })
    const found = { waves: noErrors(), shift: noErrors() }
    for (const [name, process] of Object.entries(processes))
      for (const seed of quick ? seeds.slice(0, 1) : seeds) {
        const errors = found[name as keyof typeof processes]
        const values = autoregression(process, length.train + length.test, 0.1, seed)
        errors.oracle.push(oracleError(values, process))
        errors['last value'].push(await forecastError(device, values, 'last-value', {}, seed))
        for (const space of ['companion', 'diagonal'] as const) {
          const options = {
            space,
            width: 8,
            state: 8,
            layers: 1,
            inputSize: 48,
            epochs: quick ? 2 : 20,
            learningRate: 3e-3,
            scaler: 'none',
          }
          errors[space].push(await forecastError(device, values, 'spacetime', options, seed))
        }
      }
    const ratio = (name: keyof typeof processes, other: 'oracle' | 'diagonal') =>
      summarise(found[name].companion.map((value, i) => value / found[name][other][i]!))
    const lengths = quick ? [256, 512] : [256, 512, 1024, 2048, 4096]
    const kernels = await kernelCosts(device, lengths)
    const states = quick ? [32, 64] : [32, 64, 128, 256, 512]
    const inState = await kernelCosts(device, [1024], states)
    const slope = (x: readonly number[], y: readonly number[]) => exponent(x, y)
    return {
      arms: {
        ...Object.fromEntries(
          Object.entries(found).map(([name, errors]) => [
            `AR(6) of ${name}, 12 steps, closed loop`,
            Object.fromEntries(Object.entries(errors).map(([arm, values]) => [`MSE ${arm}`, { ...summarise(values), unit: '' }])),
          ]),
        ),
        ...Object.fromEntries(
          lengths.map((each, i) => [
            `kernel of ${each} steps, 64 states`,
            {
              spectral: { ...summarise([1e3 * kernels.spectral[i]!]), unit: 'ms' },
              powers: { ...summarise([1e3 * kernels.powers[i]!]), unit: 'ms' },
            },
          ]),
        ),
        ...Object.fromEntries(
          states.map((each, i) => [
            `kernel of 1024 steps, ${each} states`,
            {
              spectral: { ...summarise([1e3 * inState.spectral[i]!]), unit: 'ms' },
              powers: { ...summarise([1e3 * inState.powers[i]!]), unit: 'ms' },
            },
          ]),
        ),
      },
      ratios: Object.fromEntries(
        (['waves', 'shift'] as const).flatMap((name) =>
          (['oracle', 'diagonal'] as const).map((other) => [`AR(6) of ${name}, companion / ${other} MSE`, ratio(name, other)]),
        ),
      ),
      gates: [
        ...(['waves', 'shift'] as const).flatMap((name) => [
          gate(`closed-loop MSE of an AR(6) of ${name}, companion / best possible`, ratio(name, 'oracle').median, '≤ 1.1'),
          gate(`closed-loop MSE of an AR(6) of ${name}, companion / diagonal`, ratio(name, 'diagonal').median, '≤ 0.5'),
        ]),
        gate('exponent of the kernel in its length, spectral', slope(lengths, kernels.spectral), '≤ 1.2'),
        gate('exponent of the kernel in its states, spectral', slope(states, inState.spectral), '≤ 1.2'),
      ],
      notes: [
        'Waves: three pairs of complex roots, which a diagonal system can have too; shift: y_t = 0.95·y_{t−6}',
        'The oracle knows the weights of the process and forecasts its conditional mean: nothing has a smaller expected error',
        `Processes of ${length.train} values to learn from and ${length.test} to test on; every window of 12 steps`,
        'Kernels of 32 channels, forward alone; one thread, medians of 5 runs',
      ],
      seeds: quick ? seeds.slice(0, 1) : seeds,
      versions: {},
    }
  },
}

const noErrors = () => ({
  companion: [] as number[],
  diagonal: [] as number[],
  oracle: [] as number[],
  'last value': [] as number[],
})

/** Of every window of the last values. */
async function forecastError(device: Device, values: Float64Array, model: string, options: object, seed: number): Promise<number> {
  const known = stepFrame({ y: values.subarray(0, length.train) })
  const forecaster = await fitForecaster(known, { model, horizon, options, seed, device, calibrationWindows: 0 })
  const [all] = evaluate(
    await backtest(forecaster, stepFrame({ y: values }), { windows: length.test - horizon + 1, step: 1, levels: [] }),
  )
  await forecaster.dispose()
  return all!.mse
}

function oracleError(values: Float64Array, process: readonly number[]): number {
  let [sum, count] = [0, 0]
  for (let start = length.train; start + horizon <= values.length; start++) {
    const said = Array.from(values.subarray(start - process.length, start))
    for (let step = 0; step < horizon; step++) {
      said.push(process.reduce((total, weight, i) => total + weight * said.at(-1 - i)!, 0))
      sum += (said.at(-1)! - values[start + step]!) ** 2
      count++
    }
  }
  return sum / count
}

const heads = 32

/** Seconds, by length or by number of states. */
async function kernelCosts(device: Device, lengths: readonly number[], states: readonly number[] = [64]) {
  const spectral: number[] = []
  const powers: number[] = []
  for (const steps of lengths)
    for (const state of states) {
      const inputs = { a: float32(heads, state), b: float32(heads, state), c: float32(heads, state) }
      const feeds = (seed: number) => Float32Array.from(normals(heads * state, seed), (value) => value / state)
      const fed = { a: feeds(1), b: feeds(2), c: feeds(3) }
      const fast = compile(inputs, (operands) => ({ kernel: companionKernel(operands, steps) }), { device })
      const slow = compile(inputs, ({ a, b, c }) => ({ kernel: kernelByPowers({ matrix: companionMatrix(a), b, c }, steps) }), {
        device,
      })
      spectral.push(await medianSeconds(() => fast.run(fed)))
      powers.push(await medianSeconds(() => slow.run(fed)))
      await fast.dispose()
      await slow.dispose()
    }
  return { spectral, powers }
}

async function medianSeconds(run: () => Promise<unknown>): Promise<number> {
  await run()
  const seconds: number[] = []
  for (let i = 0; i < 5; i++) {
    const started = performance.now()
    await run()
    seconds.push((performance.now() - started) / 1000)
  }
  return summarise(seconds).median
}
