import { frameWithoutLast, readSeries, type SeriesFrame } from 'nextx/data'
import { type Device, openDevice } from 'nextx/platform'
import { backtest, evaluate, fitForecaster } from 'nextx/systems'
import { dataFile } from '../lib/data.ts'
import { machineLoad } from '../lib/result.ts'

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
  /** Whether one fit, for the shortest horizon, forecasts all of them. */
  readonly once: boolean
  /** Whether the 4 months after the first 12 judge when to stop; otherwise they are left out. */
  readonly stops: boolean
}

/** Of one horizon. */
export interface EttOutcome {
  readonly mse: number
  readonly mae: number
  readonly fitSeconds: number
  readonly testSeconds: number
  readonly steps: number
  /** Load of the machine before. */
  readonly load: number
}

/** Fits an arm and tests it on every window of the last 4 months, for each horizon. */
export async function ettOutcomes(arm: EttArm, horizons: readonly number[], seed: number): Promise<Record<number, EttOutcome>> {
  const frame = await ettFrame(arm.columns)
  const outcomes: Record<number, EttOutcome> = {}
  for (const fitted of arm.once ? [horizons] : horizons.map((horizon) => [horizon])) {
    await using device: Device = await openDevice({ threads: 1 })
    const load = machineLoad()
    const { forecaster, fitSeconds, steps } = await fittedArm(arm, frame, { device, horizon: fitted[0]!, seed })
    for (const horizon of fitted) {
      const started = performance.now()
      const windows = parts.test - horizon + 1
      const [all] = evaluate(await backtest(forecaster, frame, { horizon, windows, step: 1, levels: [] }))
      outcomes[horizon] = {
        mse: all!.mse,
        mae: all!.mae,
        fitSeconds,
        testSeconds: (performance.now() - started) / 1000,
        steps,
        load,
      }
    }
    await forecaster.dispose()
  }
  return outcomes
}

async function fittedArm(
  { model, options, stops }: EttArm,
  frame: SeriesFrame,
  { device, horizon, seed }: { device: Device; horizon: number; seed: number },
) {
  const known = frameWithoutLast(frame, stops ? parts.test : parts.test + parts.validation)
  let steps = 0
  const started = performance.now()
  const forecaster = await fitForecaster(known, {
    model,
    horizon,
    seed,
    device,
    calibrationWindows: 0,
    options: stops ? { scaler: 'none', validationSize: parts.validation, ...options } : options,
    onProgress: ({ step }) => {
      steps = step
    },
  })
  return { forecaster, steps, fitSeconds: (performance.now() - started) / 1000 }
}
