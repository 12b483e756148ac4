import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { MismatchError, OptionError } from '../../../../src/base/errors.ts'
import { type Device, openDevice } from '../../../../src/platform/index.ts'
import { type FitForecasterOptions, type Forecaster, fitForecaster } from '../../../../src/systems/index.ts'
import { frameOf, waveOf, wavesOf } from '../../../null/systems/series/frames.ts'

let device: Device
beforeAll(async () => {
  device = await openDevice({ worker: false, threads: 1 })
})
afterAll(() => device[Symbol.asyncDispose]())

const small = { inputSize: 8, width: 4, heads: 2, layers: 1, hidden: 4, stages: [2, 1], token: 4, minSteps: 0, maxSteps: 3 }
const other = frameOf([{ values: waveOf('other', 60) }])

function fit(options: object = {}, more: Partial<FitForecasterOptions> = {}, frame = other): Promise<Forecaster> {
  return fitForecaster(frame, {
    model: 'gpht',
    horizon: 4,
    device,
    calibrationWindows: 0,
    options: { ...small, ...options },
    ...more,
  })
}

const weightsOf = (forecaster: Forecaster) =>
  JSON.parse(JSON.stringify(forecaster)).state.weights as Record<string, { readonly data: string }>

/** Steps that move nothing. */
const still = { learningRate: 1e-30, schedule: 'constant' }

describe('learning that starts from what was learnt', () => {
  it('has its weights, and the ranges of its own series', async () => {
    const start = await fit({}, {}, wavesOf(2, 60))
    const next = await fit(still, { start })
    expect(weightsOf(next)).toEqual(weightsOf(start))
    const { scaling } = JSON.parse(JSON.stringify(next)).state
    expect(Object.keys(scaling.series)).toEqual(['a'])
    expect(scaling).toEqual(JSON.parse(JSON.stringify(await fit(still))).state.scaling)
    // Whatever becomes of the first one.
    await start.dispose()
    expect(weightsOf(await fit(still, { start }))).toEqual(weightsOf(start))
  })

  it('changes the head alone where that is asked for', async () => {
    const start = await fit()
    const before = weightsOf(start)
    const after = weightsOf(await fit({ learns: 'head', learningRate: 0.01 }, { start }))
    for (const [name, { data }] of Object.entries(after)) expect(data === before[name]!.data, name).toBe(!name.includes('.head.'))
    const all = weightsOf(await fit({ learningRate: 0.01 }, { start }))
    for (const [name, { data }] of Object.entries(all)) expect(data === before[name]!.data, name).toBe(false)
  })

  it('is refused from nothing, from others, and for methods without a head or steps', async () => {
    const start = await fit()
    await expect(fit({ learns: 'head' })).rejects.toThrow(/without anything learnt before/)
    await expect(fit({ width: 8 }, { start })).rejects.toThrow(MismatchError)
    const line = await fitForecaster(other, { model: 'arnet', horizon: 4, device, options: { minSteps: 0, maxSteps: 1 } })
    await expect(fit({}, { start: line })).rejects.toThrow(MismatchError)
    const again = { model: 'arnet', horizon: 4, device, start: line, options: { minSteps: 0, maxSteps: 1, learns: 'head' } }
    await expect(fitForecaster(other, again)).rejects.toThrow(OptionError)
    await expect(fitForecaster(other, { model: 'drift', horizon: 4, start: line })).rejects.toThrow(
      /start does nothing for 'drift'/,
    )
  })
})
