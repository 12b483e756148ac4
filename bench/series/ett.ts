import { readSeries, type SeriesFrame, withoutLast } from 'nextx/data'
import { type Device, openDevice } from 'nextx/platform'
import { backtest, evaluate, fitForecaster } from 'nextx/systems'
import { dataFile } from '../lib/data.ts'

// The protocol of Zhou et al. 2021 (Informer) on ETTh1: 12, 4 and 4 months of 30 days; values scaled by mean and deviation of the first 12;
// errors on this scale, mean over all windows, steps and columns.

const day = 24
/** Values to learn from, to judge when to stop by, and to test on. */
export const parts = { train: 360 * day, validation: 120 * day, test: 120 * day } as const

export type EttColumns = 'all' | 'OT'

/** The first 20 months, scaled by the first 12. */
export async function ettFrame(columns: EttColumns): Promise<SeriesFrame> {
  const target = columns === 'all' ? ['HUFL', 'HULL', 'MUFL', 'MULL', 'LUFL', 'LULL', 'OT'] : ['OT']
  const { frame } = await readSeries(dataFile('timeseries/ett/ETTh1.csv'), { time: 'date', target })
  const length = parts.train + parts.validation + parts.test
  const scaled = (values: Float64Array) => {
    const known = values.subarray(0, parts.train)
    const center = known.reduce((sum, value) => sum + value, 0) / known.length
    const spread = Math.sqrt(known.reduce((sum, value) => sum + (value - center) ** 2, 0) / known.length)
    return values.slice(0, length).map((value) => (value - center) / spread)
  }
  return { ...frame, series: frame.series.map((series) => ({ ...series, values: scaled(series.values) })) }
}

export interface EttArm {
  readonly model: string
  readonly columns: EttColumns
  readonly options: object
  readonly horizon: number
  readonly seed: number
  /** Whether it learns from the first 12 months alone, and the next 4 judge when to stop; otherwise they are left out. */
  readonly stops: boolean
}

export interface EttOutcome {
  readonly mse: number
  readonly mae: number
  readonly fitSeconds: number
  readonly testSeconds: number
  readonly steps: number
  readonly validationLoss: number | undefined
}

/** Fits an arm and tests it on every window of the last 4 months. */
export async function ettOutcome({ model, columns, options, horizon, seed, stops }: EttArm, threads = 1): Promise<EttOutcome> {
  const frame = await ettFrame(columns)
  const known = cut(frame, stops ? parts.test : parts.test + parts.validation)
  await using device: Device = await openDevice({ threads })
  let last = { step: 0, validationLoss: undefined as number | undefined }
  const started = performance.now()
  const own = stops ? { scaler: 'none', validationSize: parts.validation, ...options } : options
  const onProgress = ({ step, validationLoss }: { step: number; validationLoss?: number }) => {
    last = { step, validationLoss }
  }
  const forecaster = await fitForecaster(known, { model, horizon, options: own, seed, calibrationWindows: 0, device, onProgress })
  const fitted = performance.now()
  const windows = parts.test - horizon + 1
  const [all] = evaluate(await backtest(forecaster, frame, { windows, step: 1, levels: [] }))
  const seconds = (from: number, to: number) => (to - from) / 1000
  await forecaster.dispose()
  return {
    mse: all!.mse,
    mae: all!.mae,
    fitSeconds: seconds(started, fitted),
    testSeconds: seconds(fitted, performance.now()),
    steps: last.step,
    validationLoss: last.validationLoss,
  }
}

function cut(frame: SeriesFrame, count: number): SeriesFrame {
  return { ...frame, series: frame.series.map((series) => withoutLast(series, count)) }
}
