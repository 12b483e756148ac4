import { frameWithoutLast, readSeries, type SeriesFrame } from 'nextx/data'
import { type Device, openDevice } from 'nextx/platform'
import { backtest, type EvaluationRow, evaluate, fitForecaster } from 'nextx/systems'
import { dataFile } from './lib/data.ts'
import { gate } from './lib/gate.ts'
import type { Bench, Findings, Gate, Metric } from './lib/result.ts'
import { summarise } from './lib/statistics.ts'

interface Set {
  readonly name: string
  readonly frame: SeriesFrame
  readonly horizon: number
  readonly season: number
  /** Windows of the test. */
  readonly windows: number
  readonly step: number
  readonly inputSize: number
}

interface Way {
  readonly model: string
  readonly options?: object
  /** Fitted in steps, with values held out. */
  readonly learns?: boolean
}

const seeds = [1, 2, 3]

const ways: Readonly<Record<string, Way>> = {
  'seasonal naive, conformal': { model: 'seasonal-naive' },
  'ridge, conformal': { model: 'ridge' },
  'AR-Net, conformal': { model: 'arnet', options: { learningRate: 1e-3 }, learns: true },
  'AR-Net, quantiles': { model: 'arnet', options: { learningRate: 1e-3, distribution: 'quantile' }, learns: true },
  'AR-Net, gaussian': { model: 'arnet', options: { learningRate: 1e-3, distribution: 'gaussian' }, learns: true },
  'AR-Net, student-t': { model: 'arnet', options: { learningRate: 1e-3, distribution: 'student-t' }, learns: true },
  'iTransformer, quantiles': { model: 'itransformer', options: { distribution: 'quantile', width: 32, heads: 4 }, learns: true },
}

export const bench: Bench = {
  title: 'Intervals: how much they hold, and CRPS and MASE beside the naive',
  cards: ['31', '78'],
  async run({ quick }): Promise<Findings> {
    await using device = await openDevice({ threads: 1 })
    const sets = quick ? [await hourly()] : [await hourly(), await exchange()]
    const rows: Record<string, Record<string, Metric>> = {}
    const gates: Gate[] = []
    for (const set of sets)
      for (const [name, way] of Object.entries(ways)) {
        const found: EvaluationRow[] = []
        for (const seed of quick || way.learns !== true ? [1] : seeds) found.push(await judged(device, set, way, seed))
        const metric = (pick: (row: (typeof found)[number]) => number, unit = '') => ({ ...summarise(found.map(pick)), unit })
        const [in80, in95] = [
          metric(({ coverage }) => 100 * coverage[80]!, '%'),
          metric(({ coverage }) => 100 * coverage[95]!, '%'),
        ]
        rows[`${set.name}: ${name}`] = {
          'inside 80 %': in80,
          'inside 95 %': in95,
          CRPS: metric(({ crps }) => crps ?? Number.NaN),
          MASE: metric(({ mase }) => mase ?? Number.NaN),
          MAE: metric(({ mae }) => mae),
        }
        gates.push(
          gate(
            `${set.name}: ${name}: farthest of 80 and 95 % coverage from nominal, in points`,
            Math.max(Math.abs(in80.median - 80), Math.abs(in95.median - 95)),
            '≤ 5',
          ),
        )
      }
    return { arms: rows, ratios: {}, gates, notes, seeds, versions: {} }
  },
}

const notes = [
  'ETTh1 OT: hours 2,880 to 5,760 of the test months left for calibration and stopping; 24 steps, every 24th hour; exchange rates (8 currencies, every working and other day from 1990 to 2016): 14 days, every 7th day of the last 700',
  'Methods are fitted once, to what comes before the test; those that learn hold out the last fifth, which also calibrates their conformal intervals; the others calibrate on 200 windows of the past, of which they learnt nothing',
]

async function judged(
  device: Device,
  { frame, horizon, season, windows, step, inputSize }: Set,
  { model, options, learns }: Way,
  seed: number,
) {
  const known = frameWithoutLast(frame, horizon + (windows - 1) * step)
  const own = learns === true ? { inputSize, maxSteps: 2000, ...options } : model === 'ridge' ? { lags: inputSize } : {}
  const forecaster = await fitForecaster(known, { model, horizon, season, options: own, seed, device, calibrationWindows: 200 })
  const [all] = evaluate(await backtest(forecaster, frame, { windows, step, season, levels: [80, 95] }))
  await forecaster.dispose()
  return all!
}

async function hourly(): Promise<Set> {
  const { frame } = await readSeries(dataFile('timeseries/ett/ETTh1.csv'), { time: 'date', target: ['OT'] })
  const series = frame.series.map((each) => ({ ...each, values: each.values.slice(0, 14_400) }))
  return { name: 'ETTh1 OT, hourly', frame: { ...frame, series }, horizon: 24, season: 24, windows: 119, step: 24, inputSize: 168 }
}

async function exchange(): Promise<Set> {
  const { frame } = await readSeries(dataFile('timeseries/exchange_rate/exchange_rate.csv'), { time: 'date' })
  return { name: 'exchange rates, daily', frame, horizon: 14, season: 1, windows: 99, step: 7, inputSize: 56 }
}
