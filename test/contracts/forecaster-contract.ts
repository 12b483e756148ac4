import { afterAll, beforeAll, expect, it } from 'vitest'
import { createRng } from '../../src/base/rng.ts'
import { type SeriesFrame, withoutLast } from '../../src/data/index.ts'
import { type Device, openDevice } from '../../src/platform/index.ts'
import {
  crossValidate,
  type Forecast,
  type Forecaster,
  fitForecaster,
  loadForecaster,
  restoreForecaster,
  type SeriesForecast,
} from '../../src/systems/index.ts'

const length = 120
const horizon = 6

/** Monthly series with a trend, a season and noise. */
export function seasonalFrame(count: number, size = length): SeriesFrame {
  const rng = createRng(7)
  const series = Array.from({ length: count }, (_, index) => {
    const noise = new Float32Array(size)
    rng.fold(index).fillNormal(noise)
    const values = Float64Array.from(noise, (each, i) => 100 + index * 50 + 0.5 * i + 10 * Math.sin((2 * Math.PI * i) / 12) + each)
    return { id: `s${index}`, start: Date.UTC(2010, 0, 1), values, past: {}, future: {}, static: {} }
  })
  return { frequency: { unit: 'month', every: 1 }, zone: 'UTC', series }
}

/** Of some method, with options of its own where what it learns by default takes long. */
export interface ContractCase {
  readonly id: string
  readonly options?: object
}

/** What every method of forecasting keeps. */
export function forecasterContract({ id, options = {} }: ContractCase): void {
  let device: Device
  beforeAll(async () => {
    device = await openDevice({ worker: false, threads: 1 })
  })
  afterAll(() => device[Symbol.asyncDispose]())
  const fit = (frame: SeriesFrame, more: object = {}) => fitForecaster(frame, { model: id, horizon, options, device, ...more })

  const capabilitiesOf = async () => {
    const system = await loadForecaster(id)
    return system.capabilities(system.readOptions(options))
  }
  const seesAll = async () => (await capabilitiesOf()).multivariate

  it('forecasts finite numbers for the steps after the last one, inside wider intervals for higher levels', async () => {
    const frame = seasonalFrame(2)
    const { series } = await (await fit(frame)).forecast({ levels: [50, 80, 95] })
    expect(series.map(({ id: name }) => name)).toEqual(['s0', 's1'])
    for (const { stamps, mean, intervals } of series) {
      expect(stamps).toEqual(Array.from({ length: horizon }, (_, step) => Date.UTC(2010, length + step, 1)))
      expect(mean.every(Number.isFinite)).toBe(true)
      for (const [step, value] of mean.entries()) {
        const edges = [95, 80, 50].map((level) => intervals.get(level)!.lower[step]!)
        const others = [50, 80, 95].map((level) => intervals.get(level)!.upper[step]!)
        const all = [...edges, value, ...others]
        expect(all).toEqual([...all].sort((a, b) => a - b))
      }
    }
  })

  it('says of a series what it says of it alone, or in any order where it looks at all of them', async () => {
    const frame = seasonalFrame(3)
    const forecaster = await fit(frame)
    const together = await forecaster.forecast()
    if (await seesAll()) return expectSameInOtherOrder(forecaster, frame, together)
    for (const [i, series] of frame.series.entries()) {
      const alone = await forecaster.forecast({ history: { ...frame, series: [series] } })
      expectAlike(alone.series[0]!, together.series[i]!)
    }
  })

  it('never looks at what comes after the history', async () => {
    const frame = seasonalFrame(1)
    const cut = { ...frame, series: frame.series.map((series) => withoutLast(series, 10)) }
    const poisoned = cut.series.map((series, i) => {
      const whole = frame.series[i]!.values.slice()
      whole.fill(Number.NaN, series.values.length)
      return { ...series, values: whole.subarray(0, series.values.length) }
    })
    const forecaster = await fit(cut)
    expect(await forecaster.forecast({ history: { ...cut, series: poisoned } })).toEqual(await forecaster.forecast())
  })

  it('gives the same again, and after it was saved and restored', async () => {
    const frame = seasonalFrame(2)
    const [first, second] = [await fit(frame), await fit(frame)]
    const forecast = await first.forecast()
    expect(await second.forecast()).toEqual(forecast)
    const restored = await restoreForecaster(JSON.parse(JSON.stringify(first)), { device })
    expect(await restored.forecast({ history: frame })).toEqual(forecast)
    await expect(restoreForecaster({ ...JSON.parse(JSON.stringify(first)), horizon: 0 })).rejects.toThrow(/no forecaster/)
  })

  it('keeps what it declares: horizons, gaps, covariates, lengths, options', async () => {
    const frame = seasonalFrame(1)
    const capabilities = await capabilitiesOf()
    const longer = (await fit(frame)).forecast({ horizon: horizon + 1, levels: [] })
    if (capabilities.anyHorizon) expect((await longer).series[0]!.mean.length).toBe(horizon + 1)
    else await expect(longer).rejects.toThrow(/fitted for 6/)
    const changed = (change: object) => ({ ...frame, series: [{ ...frame.series[0]!, ...change }] })
    const gap = frame.series[0]!.values.slice()
    gap[5] = Number.NaN
    if (!capabilities.missing) await expect(fit(changed({ values: gap }))).rejects.toThrow(/gaps/)
    for (const kind of ['past', 'future', 'static'] as const)
      if (!capabilities[kind])
        await expect(fit(changed({ [kind]: { price: gap } }))).rejects.toThrow(new RegExp(`${kind} covariates: price`))
    const paths = (await fit(frame)).forecast({ paths: 3, seed: 1, levels: [] })
    if (capabilities.paths) expect((await paths).series[0]!.paths!.map((path) => path.length)).toEqual([horizon, horizon, horizon])
    else await expect(paths).rejects.toThrow(/draws no paths/)
    await expect(fit(changed({ values: new Float64Array(0) }))).rejects.toThrow(/0 values/)
    await expect(fit(frame, { options: { ...options, nonsense: 1 } })).rejects.toThrow()
    await expect(fit(frame, { horizon: 0 })).rejects.toThrow(/horizon/)
  })

  it('stops when told to', async () => {
    const signal = AbortSignal.abort(new Error('enough'))
    await expect(crossValidate(seasonalFrame(1), { model: id, horizon, options, signal })).rejects.toThrow('enough')
  })
}

/** Kernels for other numbers of rows add up in other orders. */
function expectAlike(got: SeriesForecast, wanted: SeriesForecast): void {
  expect(got.id).toBe(wanted.id)
  expect(got.stamps).toEqual(wanted.stamps)
  for (const [step, value] of wanted.mean.entries()) expect(Math.abs(got.mean[step]! - value)).toBeLessThan(1e-4 * Math.abs(value))
}

async function expectSameInOtherOrder(forecaster: Forecaster, frame: SeriesFrame, wanted: Forecast): Promise<void> {
  const turned = await forecaster.forecast({ history: { ...frame, series: frame.series.toReversed() } })
  for (const [i, each] of turned.series.toReversed().entries()) expectAlike(each, wanted.series[i]!)
}
