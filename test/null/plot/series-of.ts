import type { Series, SeriesFrame } from '../../../src/data/index.ts'
import type { Backtest, Forecast, SeriesForecast } from '../../../src/systems/index.ts'

export const month = { unit: 'month', every: 1 } as const

/** Monthly series from January 2010. */
export function frameOf(values: Readonly<Record<string, readonly number[]>>, parts: Partial<SeriesFrame> = {}): SeriesFrame {
  const start = Date.UTC(2010, 0, 1)
  const series = Object.entries(values).map(
    ([id, list]): Series => ({ id, start, values: Float64Array.from(list), past: {}, future: {}, static: {} }),
  )
  return { frequency: month, zone: 'UTC', series, ...parts }
}

export function monthAfter(count: number): number {
  return Date.UTC(2010, count, 1)
}

/** Made-up numbers, `half` of an interval on either side: what is drawn must be these, whatever they are. */
export function madeUp(
  id: string,
  at: number,
  mean: readonly number[],
  halves: Readonly<Record<number, number>> = {},
): SeriesForecast {
  return {
    id,
    stamps: mean.map((_, i) => monthAfter(at + i)),
    mean: Float64Array.from(mean),
    intervals: new Map(
      Object.entries(halves).map(([level, half]) => [
        Number(level),
        { lower: Float64Array.from(mean, (value) => value - half), upper: Float64Array.from(mean, (value) => value + 2 * half) },
      ]),
    ),
  }
}

export function forecastOf(series: readonly SeriesForecast[], model = 'oracle'): Forecast {
  return { model, frequency: month, zone: 'UTC', series }
}

export function backtestOf(
  windows: readonly SeriesForecast[],
  actual: readonly number[],
  levels: readonly number[] = [],
): Backtest {
  return {
    model: 'oracle',
    levels,
    windows: windows.map((each, window) => ({
      ...each,
      window,
      actual: Float64Array.from(actual),
      quantiles: new Map(),
      scale: 2,
    })),
  }
}
