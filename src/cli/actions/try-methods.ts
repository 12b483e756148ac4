import { NextxError, OptionError } from '../../base/errors.ts'
import type { ReadSeries, SeriesFrame } from '../../data/index.ts'
import {
  type Backtest,
  crossValidate,
  type EvaluationRow,
  evaluate,
  type FitForecasterOptions,
  forecasterCost,
  forecasterIds,
} from '../../systems/index.ts'
import type { BacktestFlags, ForecastFlags } from '../forecast.ts'
import { duration, thousands } from '../format.ts'
import { openBar } from '../progress.ts'
import { note } from '../terminal.ts'
import { withoutUndefined } from './series.ts'

/** A method that was tried on past windows. */
export interface Tried {
  readonly model: string
  readonly rows: readonly EvaluationRow[]
  readonly backtest: Backtest
  /** Mean absolute error over all windows. */
  readonly error: number
}

/** Methods that were tried, the one with the least absolute error first, and those that were not. */
export interface Trial {
  readonly tried: readonly Tried[]
  /** The one that was named, or the best one. */
  readonly chosen: Tried
  readonly passedOver: readonly { readonly model: string; readonly reason: string }[]
}

type TrialFlags = ForecastFlags & Partial<BacktestFlags>

/**
 * Methods on the last windows: the one that is named, with those that take no time beside it where it learns in steps; for "best", all but those. Those that
 * cannot use the data are named on stderr.
 */
export async function tryMethods({ frame }: ReadSeries, flags: TrialFlags, signal: AbortSignal): Promise<Trial> {
  const named = flags.model === 'best' ? undefined : flags.model
  if (named === undefined && flags.option !== undefined)
    throw new OptionError('--option without --model', { expected: 'the method whose options they are' })
  const covariates = covariatesOf(frame)
  if (named === undefined && covariates.length > 0)
    throw new OptionError(`no method that is not trained can use ${covariates.join(', ')}`, {
      expected: 'a method that can, such as --model arnet',
    })
  const windows = possibleWindows(frame, flags)
  const tried: Tried[] = []
  const passedOver: { readonly model: string; readonly reason: string }[] = []
  let failure: unknown
  for (const id of candidates(named)) {
    if (id !== named && takesLong(id, frame)) {
      passedOver.push({ model: id, reason: `takes long for so many values; --model ${id} tries it` })
      continue
    }
    try {
      tried.push(
        await tryMethod(id === named ? frame : withoutCovariates(frame), { ...flags, windows, model: id }, id === named, signal),
      )
    } catch (error) {
      if (id === named || !(error instanceof NextxError)) throw error
      failure = error
      passedOver.push({ model: id, reason: error.message })
    }
  }
  // Where nothing can be done, the reason is the error's to say, once.
  if (tried.length === 0) throw failure
  for (const { model, reason } of passedOver) note(`${model} is passed over: ${reason}`)
  // Of equal errors, the plainer method's.
  tried.sort((a, b) => a.error - b.error || Number(b.model === 'last-value') - Number(a.model === 'last-value'))
  return { tried, chosen: tried.find(({ model }) => model === named) ?? tried[0]!, passedOver }
}

/** Fewer windows than asked for where series are short: the oldest leaves half of the shortest to learn from. */
function possibleWindows({ series }: SeriesFrame, { windows, horizon, step = horizon }: TrialFlags): number {
  const shortest = Math.min(...series.map(({ values }) => values.length))
  const most = Math.max(1, 1 + Math.floor((shortest / 2 - horizon) / step))
  if (most >= windows) return windows
  note(`${most} of ${windows} windows: the shortest series has ${thousands(shortest)} values`)
  return most
}

/** The named one first, so that it fails before the others are tried. */
function candidates(named: string | undefined): readonly string[] {
  // The simpler first, which are chosen where others are no better.
  const untrained = (['instant', 'search'] as const).flatMap((cost) => forecasterIds.filter((id) => forecasterCost(id) === cost))
  if (named === undefined) return untrained
  return forecasterCost(named) === 'training' ? [named, ...untrained] : [named]
}

function covariatesOf({ series }: SeriesFrame): readonly string[] {
  return [...new Set(series.flatMap(({ past, future, static: fixed }) => Object.keys({ ...past, ...future, ...fixed })))]
}

function withoutCovariates(frame: SeriesFrame): SeriesFrame {
  return { ...frame, series: frame.series.map((series) => ({ ...series, past: {}, future: {}, static: {} })) }
}

/** Values of all series over which a search takes more than some seconds. Of longer series, methods look at about a thousand. */
const mostValues: Readonly<Record<string, number>> = { arima: 300, ets: 5000 }

function takesLong(id: string, { series }: SeriesFrame): boolean {
  return series.reduce((sum, { values }) => sum + Math.min(values.length, 1000), 0) > (mostValues[id] ?? Number.POSITIVE_INFINITY)
}

async function tryMethod(frame: SeriesFrame, flags: TrialFlags, named: boolean, signal: AbortSignal): Promise<Tried> {
  const { model, horizon, windows, step, season, level, by = 'all', option, seed } = flags
  // What takes long is fitted once, to what comes before all windows, unless it is the method that is asked for and does not learn in steps.
  const refit = forecasterCost(model) === 'instant' || (named && forecasterCost(model) === 'search')
  const backtest = await withProgress(model, (progress) =>
    crossValidate(frame, {
      model,
      horizon,
      windows,
      levels: level,
      refit,
      ...withoutUndefined({ season, step, seed, options: named ? option : undefined }),
      ...progress,
      signal,
    }),
  )
  return { model, rows: evaluate(backtest, { by }), backtest, error: evaluate(backtest)[0]!.mae }
}

/** Runs what may train: with a bar on a terminal, and a line at the end. */
export async function withProgress<T>(
  model: string,
  run: (options: Pick<FitForecasterOptions, 'onProgress'>) => Promise<T>,
): Promise<T> {
  const bar = openBar(`training ${model}`, 'steps')
  const begin = performance.now()
  let trained = 0
  try {
    const result = await run({
      onProgress({ step, steps, loss, validationLoss }) {
        trained = step
        const validation = validationLoss === undefined ? '' : `, of values held out ${validationLoss.toPrecision(4)}`
        bar.show(step, steps, `loss ${loss.toPrecision(4)}${validation}`)
      },
    })
    bar.close()
    if (trained > 0) note(`${model}: ${thousands(trained)} steps of training in ${duration((performance.now() - begin) / 1000)}`)
    return result
  } finally {
    bar.close()
  }
}
