import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { NonFiniteError } from '../../../../src/base/errors.ts'
import type { SeriesFrame } from '../../../../src/data/index.ts'
import { type Device, openDevice } from '../../../../src/platform/index.ts'
import { type Forecaster, fitForecaster, restoreForecaster, type SeriesForecast } from '../../../../src/systems/index.ts'
import { frameOf, waveOf, wavesOf } from '../../../null/systems/series/frames.ts'

let device: Device
beforeAll(async () => {
  device = await openDevice({ worker: false, threads: 1 })
})
afterAll(() => device[Symbol.asyncDispose]())

const few = { inputSize: 12, minSteps: 0, maxSteps: 30, batch: 16 }
const attending = { ...few, maxSteps: 4, width: 8, heads: 2, layers: 1 }

const methods: readonly (readonly [string, object])[] = [
  ['arnet', few],
  ['arnet', { ...few, distribution: 'gaussian' }],
  ['arnet', { ...few, distribution: 'student-t', scaler: 'robust' }],
  ['arnet', { ...few, distribution: 'quantile' }],
  ['itransformer', attending],
  ['autoformer', { ...attending, average: 5 }],
  ['informer', attending],
  ['gpht', { ...attending, hidden: 8, stages: [2, 1], token: 4 }],
  ['spacetime', { ...few, maxSteps: 4, width: 4, state: 6, layers: 1 }],
]

function fit(model: string, frame: SeriesFrame, options: object, horizon = 4): Promise<Forecaster> {
  return fitForecaster(frame, { model, horizon, device, options, calibrationWindows: 0 })
}

/** Weights read, changed and put back. */
async function withWeights(forecaster: Forecaster, change: (values: Float32Array, name: string) => void): Promise<Forecaster> {
  const json = JSON.parse(JSON.stringify(forecaster))
  for (const [name, stored] of Object.entries(json.state.weights as Record<string, { data: string }>)) {
    const bytes = Uint8Array.from(Buffer.from(stored.data, 'base64'))
    change(new Float32Array(bytes.buffer), name)
    stored.data = Buffer.from(bytes).toString('base64')
  }
  return restoreForecaster(json, { device })
}

/** All cases of linear networks, and one of those that take longer to compile. */
const casesOf = (model: string, all: readonly number[]) => (model === 'arnet' ? all : all.slice(-1))

describe.each(methods)('%s %o', (model, options) => {
  it('goes on with a constant, and with nothing but zeros', async () => {
    for (const constant of casesOf(model, [0, 5, 1e-12, -1e12])) {
      const forecaster = await fit(model, frameOf([{ values: new Float64Array(80).fill(constant) }]), options)
      const [{ mean, intervals }] = (await forecaster.forecast()).series as [SeriesForecast]
      const edges = [...intervals.values()].flatMap(({ lower, upper }) => [lower, upper])
      // What is learnt of a constant is at most some units off: it counts with a spread of 1.
      for (const value of [mean, ...edges].flatMap((values) => [...values]))
        expect(Math.abs(value - constant)).toBeLessThan(4 + 1e-3 * Math.abs(constant))
    }
  })

  it('says the same of huge and tiny values as of usual ones', async () => {
    const usual = waveOf('unit', 80)
    const meansOf = async (unit: number) => {
      const forecaster = await fit(model, frameOf([{ values: usual.map((value) => unit * value) }]), options)
      return (await forecaster.forecast()).series[0]!.mean.map((value) => value / unit)
    }
    const expected = await meansOf(1)
    for (const unit of casesOf(model, [1e12, 1e-12]))
      for (const [step, value] of (await meansOf(unit)).entries()) expect(Math.abs(value / expected[step]! - 1)).toBeLessThan(0.05)
  })
})

describe('what is no number', () => {
  it('is an error where a forecast grows without bounds', async () => {
    const forecaster = await fit('arnet', wavesOf(1, 60), { ...few, steps: 1, distribution: 'gaussian' })
    const growing = await withWeights(forecaster, (values, name) => {
      if (name === 'lags.weight') values.fill(1e4)
    })
    const history = wavesOf(1, 60)
    expect((await growing.forecast({ history, horizon: 2 })).series[0]!.mean.every(Number.isFinite)).toBe(true)
    await expect(growing.forecast({ history, horizon: 60 })).rejects.toThrow(NonFiniteError)
    await expect(growing.forecast({ history, horizon: 60 })).rejects.toThrow(
      /the forecast of series 'a' is \S+ at step \d+; expected a number/,
    )
  })

  it('is an error where a state space does', async () => {
    const forecaster = await fit('spacetime', wavesOf(1, 60), { ...few, width: 4, state: 6, layers: 1, distribution: 'gaussian' })
    const growing = await withWeights(forecaster, (values, name) => {
      if (name === 'decoder.feedback') values.fill(1e4)
    })
    await expect(growing.forecast({ history: wavesOf(1, 60), horizon: 400 })).rejects.toThrow(NonFiniteError)
  })

  it('is an error while learning, before any weight has changed', async () => {
    // Beyond float32.
    const frame = frameOf([{ values: waveOf('huge', 60).map((value) => 1e40 * value) }])
    await expect(fit('arnet', frame, { ...few, scaler: 'none' })).rejects.toThrow(NonFiniteError)
    const far = frameOf([{ values: waveOf('huge', 60).map((value) => 1e300 * value) }])
    await expect(fit('arnet', far, few)).rejects.toThrow(/too large to be scaled/)
  })

  it('is an error where a learning rate drives weights away', async () => {
    const options = { ...few, maxSteps: 300, learningRate: 1e30, schedule: 'constant', epochs: 300, validationSize: 0 }
    await expect(fit('arnet', wavesOf(1, 60), options)).rejects.toThrow(NonFiniteError)
  })
})
