import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { DataError, OptionError } from '../../../../src/base/errors.ts'
import { type SeriesFrame, withoutLast } from '../../../../src/data/index.ts'
import { type Device, openDevice } from '../../../../src/platform/index.ts'
import { type FitForecasterOptions, type Forecaster, fitForecaster, restoreForecaster } from '../../../../src/systems/index.ts'
import { frameOf, waveOf, wavesOf } from '../../../null/systems/series/frames.ts'
import { noise } from '../../../null/tensor/finite-differences.ts'

let device: Device
beforeAll(async () => {
  device = await openDevice({ worker: false, threads: 1 })
})
afterAll(() => device[Symbol.asyncDispose]())

const horizon = 2

function fit(frame: SeriesFrame, options: object = {}, more: Partial<FitForecasterOptions> = {}): Promise<Forecaster> {
  const own = { inputSize: 6, minSteps: 0, ...options }
  return fitForecaster(frame, { model: 'arnet', horizon, device, calibrationWindows: 0, options: own, ...more })
}

interface State {
  readonly scaling: unknown
  readonly weights: unknown
  readonly heldOut: number
}

const stateOf = (forecaster: Forecaster) => JSON.parse(JSON.stringify(forecaster)).state as State

describe('what is held out', () => {
  it('decides neither ranges nor weights, but when to stop', async () => {
    const [values, visits, price] = [waveOf('y', 90), waveOf('visits', 90), waveOf('price', 90)]
    const covered = (tail: number) => {
      const poisoned = (column: Float64Array) => Float64Array.from(column, (value, i) => (i < 70 ? value : tail + value))
      return frameOf([{ values: poisoned(values), past: { visits: poisoned(visits) }, future: { price: poisoned(price) } }])
    }
    const options = { validationSize: 20, maxSteps: 1, patience: 1000 }
    const [clean, poisoned] = [stateOf(await fit(covered(0), options)), stateOf(await fit(covered(1e9), options))]
    expect(poisoned.heldOut).toBe(20)
    expect(poisoned.scaling).toEqual(clean.scaling)
    expect(poisoned.weights).toEqual(clean.weights)
    // Whereas a value more to learn from changes both.
    const longer = stateOf(await fit(covered(1e9), { ...options, validationSize: 19 }))
    expect(longer.scaling).not.toEqual(clean.scaling)
  })

  it('is refused where it leaves nothing, or less than is said at once', async () => {
    await expect(fit(wavesOf(1, 40), { validationSize: 1 })).rejects.toThrow(OptionError)
    await expect(fit(wavesOf(1, 40), { validationSize: 35 })).rejects.toThrow(DataError)
  })

  it('calibrates without a second fit where it is enough', async () => {
    let steps = 0
    const onProgress = () => void steps++
    const learn = (validationSize: number) =>
      fit(wavesOf(1, 90), { validationSize, maxSteps: 3, patience: 1000 }, { calibrationWindows: 10, onProgress })
    await learn(11)
    expect(steps).toBe(3)
    await learn(10)
    expect(steps).toBe(3 + 6)
  })
})

describe('windows', () => {
  const frame = frameOf([{ values: waveOf('first', 20) }, { values: waveOf('second', 18) }])
  /** So small that no weight moves: losses are those of the weights that learning begins with. */
  const still = { learningRate: 1e-30, schedule: 'constant', scaler: 'none', normalization: 'none', patience: 1000 }

  /** Mean squared error of each window whose first target is at least `from` values, and last one at least `to`, before its series' end. */
  function lossesOf(forecaster: Forecaster, { from = Number.POSITIVE_INFINITY, to = 0 }): number[] {
    const { lags, constant } = forecaster.coefficients()
    return frame.series.flatMap(({ values }) => {
      const losses: number[] = []
      for (let start = Math.max(6, values.length - from); start + horizon <= values.length - to; start++) {
        const errors = lags.map(
          (row, step) =>
            row.reduce((sum, weight, lag) => sum + weight * values[start - 1 - lag]!, constant[step]!) - values[start + step]!,
        )
        losses.push(errors.reduce((sum, error) => sum + error ** 2, 0) / horizon)
      }
      return losses
    })
  }

  const ascending = (values: readonly number[]) => [...values].sort((a, b) => a - b)

  it('are each gone through once before any comes again, in an order that changes', async () => {
    const losses: number[] = []
    const onProgress = ({ loss }: { loss: number }) => void losses.push(loss)
    const forecaster = await fit(frame, { ...still, validationSize: 0, batch: 1, epochs: 2 }, { onProgress })
    const expected = ascending(lossesOf(forecaster, {}))
    expect(losses.length).toBe(2 * expected.length)
    const [first, second] = [losses.slice(0, expected.length), losses.slice(expected.length)]
    for (const round of [first, second])
      for (const [i, loss] of ascending(round).entries()) expect(loss / expected[i]!).toBeCloseTo(1, 4)
    expect(first).not.toEqual(second)
    expect(first).not.toEqual(ascending(first))
  })

  it('that judge are all those of what was held out', async () => {
    let judged: number | undefined
    const onProgress = ({ validationLoss }: { validationLoss?: number }) => {
      judged = validationLoss
    }
    const forecaster = await fit(frame, { ...still, validationSize: 4, batch: 3, epochs: 2 }, { onProgress })
    const expected = lossesOf(forecaster, { from: 4 })
    expect(expected.length).toBe(6)
    expect(judged! / (expected.reduce((sum, loss) => sum + loss, 0) / 6)).toBeCloseTo(1, 4)
  })

  it('that judge lie evenly from the first to the last one where batches do not hold them all', async () => {
    let judged: number | undefined
    const onProgress = ({ validationLoss }: { validationLoss?: number }) => {
      judged = validationLoss
    }
    const forecaster = await fit(frame, { ...still, validationSize: 4, batch: 4, epochs: 2 }, { onProgress })
    const all = lossesOf(forecaster, { from: 4 })
    // Of six windows four: 0, 5/3, 10/3 and 5, to the nearest one.
    const expected = [0, 2, 3, 5].reduce((sum, i) => sum + all[i]!, 0) / 4
    expect(judged! / expected).toBeCloseTo(1, 4)
  })
})

describe('covariates', () => {
  it('that explain a series completely leave no error', async () => {
    const [price, visits] = [noise('price', [220]).data, noise('visits', [220]).data]
    // Known at the step itself, and a step before.
    const values = Float64Array.from({ length: 200 }, (_, t) => 50 + 4 * price[t]! - 3 * (visits[t - 1] ?? 0))
    const frame = frameOf([{ values, past: { visits: visits.slice(0, 200) }, future: { price } }])
    const options = { inputSize: 2, epochs: 60, learningRate: 0.05, normalization: 'none', validationSize: 0 }
    const forecaster = await fit(frame, options, { horizon: 1 })
    const { mean } = (await forecaster.forecast()).series[0]!
    expect(mean[0]).toBeCloseTo(50 + 4 * price[200]! - 3 * visits[199]!, 1)
    // The weights of the lags are not told by the data: covariates of the last value and the one before explain these lags completely.
    const earlier = { ...frame, series: frame.series.map((series) => withoutLast(series, 30)) }
    const [said] = (await forecaster.forecast({ history: earlier })).series
    expect(said!.mean[0]).toBeCloseTo(values[170]!, 1)
  })

  it('that stay what they are tell series apart, and unknown words are refused', async () => {
    const of = (level: number, constants: Record<string, string | number>) => ({
      values: Float64Array.from(noise(`${level}`, [60]).data, (value) => level + 0.1 * value),
      static: constants,
    })
    const frame = frameOf([of(-2, { kind: 'low', size: 1 }), of(2, { kind: 'high', size: 2 })])
    const options = { inputSize: 2, scaler: 'none', normalization: 'none', epochs: 40, learningRate: 0.05, validationSize: 0 }
    const forecaster = await fit(frame, options)
    const { series } = await forecaster.forecast()
    expect(series.map(({ mean }) => Math.round(mean[0]!))).toEqual([-2, 2])
    const [first] = frame.series
    const asOther = (constants: Record<string, string | number>) =>
      forecaster.forecast({ history: { ...frame, series: [{ ...first!, static: constants }] } })
    // The other word says another level of the same values.
    const told = await asOther({ kind: 'high', size: 2 })
    expect(told.series[0]!.mean[0]!).toBeGreaterThan(series[0]!.mean[0]! + 0.5)
    await expect(asOther({ kind: 'middle', size: 1 })).rejects.toThrow(/the kind 'middle'; expected one that was learnt: high, low/)
    await expect(asOther({ kind: 'low' })).rejects.toThrow(/lacks the static number 'size'/)
  })

  it('of the future that are missing are listed by their stamps', async () => {
    const price = waveOf('price', 42)
    const frame = frameOf([{ values: waveOf('y', 40), future: { price } }])
    const forecaster = await fit(frame, { maxSteps: 1 })
    expect((await forecaster.forecast()).series[0]!.mean.length).toBe(2)
    await expect(forecaster.forecast({ horizon: 4 })).rejects.toThrow(
      /'price' of series 'a' is missing for 2024-02-12\S*, 2024-02-13\S*; expected values for all 4 steps/,
    )
    const { price: _, ...none } = frame.series[0]!.future
    const history = { ...frame, series: [{ ...frame.series[0]!, future: none }] }
    await expect(forecaster.forecast({ history })).rejects.toThrow(/lacks the future covariate 'price'/)
  })

  it('of the past are not made up for steps beyond those said at once', async () => {
    const frame = frameOf([{ values: waveOf('y', 60), past: { visits: waveOf('visits', 60) } }])
    await expect(fit(frame, { steps: 1 })).rejects.toThrow(/past covariates are known up to the last value/)
    const forecaster = await fit(frame, { steps: 3, maxSteps: 1 })
    expect((await forecaster.forecast({ horizon: 3 })).series[0]!.mean.length).toBe(3)
    await expect(forecaster.forecast({ horizon: 4 })).rejects.toThrow(OptionError)
  })

  it('come back with what was learnt of them when it is restored', async () => {
    const of = (label: string, kind: string) => ({
      values: waveOf(label, 40),
      past: { visits: waveOf(`${label} visits`, 40) },
      future: { price: waveOf(`${label} price`, 42) },
      static: { kind, size: label.length },
    })
    const frame = frameOf([of('one', 'shop'), of('three', 'web')])
    const forecaster = await fit(frame, { maxSteps: 5, distribution: 'student-t' })
    const restored = await restoreForecaster(JSON.parse(JSON.stringify(forecaster)), { device })
    expect(await restored.forecast({ history: frame })).toEqual(await forecaster.forecast())
    expect(JSON.stringify(restored)).toEqual(JSON.stringify(forecaster))
  })
})

describe('a run', () => {
  it('tells its steps, and stops with the reason of its signal', async () => {
    const controller = new AbortController()
    const steps: number[] = []
    const onProgress = ({ step, steps: all, loss }: { step: number; steps: number; loss: number }) => {
      steps.push(step)
      expect(all).toBe(50)
      expect(loss).toBeGreaterThan(0)
      if (step === 4) controller.abort(new RangeError('that is enough'))
    }
    const learning = fit(wavesOf(1, 60), { maxSteps: 50, epochs: 100 }, { onProgress, signal: controller.signal })
    await expect(learning).rejects.toThrow(new RangeError('that is enough'))
    expect(steps).toEqual([1, 2, 3, 4])
  })

  it('leaves a device open that was given, and nothing on it', async () => {
    const forecaster = await fit(wavesOf(1, 60), { maxSteps: 2 })
    const before = await forecaster.forecast()
    await forecaster.dispose()
    const again = await fit(wavesOf(1, 60), { maxSteps: 2 })
    expect(await again.forecast()).toEqual(before)
    await again.dispose()
  })

  it('gives other weights for other seeds alone', async () => {
    const weights = async (seed: number) => stateOf(await fit(wavesOf(1, 60), { maxSteps: 2 }, { seed })).weights
    expect(await weights(1)).toEqual(await weights(1))
    expect(await weights(1)).not.toEqual(await weights(2))
  })
})
