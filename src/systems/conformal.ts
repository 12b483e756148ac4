import jstat from 'jstat'
import * as v from 'valibot'
import { OptionError } from '../base/errors.ts'
import { frameWithoutLast, type SeriesFrame } from '../data/index.ts'
import { askForecaster } from './ask-forecaster.ts'
import type { FitRequest, FittedForecaster, Prediction } from './forecaster-system.ts'

const ascending = (errors: number[]) => errors.every((error, i) => i === 0 || errors[i - 1]! <= error)
const stepErrors = v.pipe(v.array(v.pipe(v.number(), v.finite(), v.minValue(0))), v.minLength(1), v.check(ascending))
const distances = v.pipe(v.array(stepErrors), v.minLength(1))

export const calibrationSchema = v.record(v.string(), distances)

/** By series and step: how far forecasts of past windows were off, in units, ascending. */
export type Calibration = v.InferOutput<typeof calibrationSchema>

/**
 * Errors of methods that say quantiles count in units of the distance from the mean to the quantile of this share, or of what it lacks of 1, on the error's
 * side: the method says where intervals are wide, its past errors how wide. Locally weighted conformal prediction; Lei et al. 2018, section 5.2.
 */
const unitShare = 0.9

/** Quantiles that units are read from. */
export const unitShares: readonly number[] = [1 - unitShare, unitShare]

/** Least unit, as a part of the distance between both quantiles. */
const leastPart = 0.1

/** 1 where a method says no quantiles. */
function unitOf({ mean, quantiles }: Prediction, step: number, above: boolean): number {
  const [lower, upper] = unitShares.map((share) => quantiles?.get(share)?.[step])
  if (lower === undefined || upper === undefined) return 1
  const distance = Math.abs((above ? upper : lower) - mean[step]!)
  // Where a mean lies at an edge, an error beyond it would count for any number of units.
  return Math.max(distance, leastPart * (upper - lower), 1e-9 * Math.max(Math.abs(mean[step]!), 1e-9))
}

/**
 * How far a method was off on the last windows of each series, of which it has learnt nothing. Split conformal prediction; Vovk et al. 2005, for each step of the horizon (Stankevičiūtė et al. 2021).
 */
export async function residuals(
  frame: SeriesFrame,
  fitted: FittedForecaster,
  { horizon, signal }: FitRequest,
  { windows, among = windows, quantiles }: WindowChoice,
): Promise<Calibration> {
  const place = (window: number) => (windows === 1 ? among - 1 : Math.round((window * (among - 1)) / (windows - 1)))
  const left = Array.from({ length: windows }, (_, window) => horizon + among - 1 - place(window))
  const predictions = await askForecaster(fitted, {
    histories: left.map((count) => frameWithoutLast(frame, count)),
    horizon,
    quantiles,
    signal,
  })
  const errorsOf = (index: number, step: number) =>
    left
      .map((count, window) => {
        const { values } = frame.series[index]!
        const prediction = predictions[window]![index]!
        const error = values[values.length - count + step]! - prediction.mean[step]!
        return Math.abs(error) / unitOf(prediction, step, error > 0)
      })
      .sort((a, b) => a - b)
  return Object.fromEntries(
    frame.series.map(({ id }, index) => [id, Array.from({ length: horizon }, (_, step) => errorsOf(index, step))]),
  )
}

interface WindowChoice {
  readonly windows: number
  /** Windows that may be taken, the last ones; those that are stand evenly among them. Default: as many. */
  readonly among?: number
  readonly quantiles: readonly number[]
}

interface Asked {
  readonly id: string
  readonly prediction: Prediction
  readonly level: number
}

/**
 * The mean plus and minus the ⌈(n + 1)·level⌉-th smallest of n past errors of the same step, in units; steps beyond those calibrated take the last one. Where n is too
 * small for the level, errors count as normal ones around 0, and the largest one at least. Throws OptionError without calibration and for a series it does not know.
 */
export function intervalsFrom(calibration: Calibration | undefined, { id, prediction, level }: Asked) {
  const steps = calibration !== undefined && Object.hasOwn(calibration, id) ? calibration[id] : undefined
  if (steps === undefined)
    throw new OptionError(`no intervals for series '${id}'`, {
      expected: 'a series of the calibration',
      fix: 'fit with calibrationWindows above 0, or levels: []',
    })
  const widths = steps.map((errors) => widthOf(errors, level))
  const width = (step: number) => widths[Math.min(step, widths.length - 1)]!
  const { mean } = prediction
  return {
    lower: mean.map((value, step) => value - width(step) * unitOf(prediction, step, false)),
    upper: mean.map((value, step) => value + width(step) * unitOf(prediction, step, true)),
  }
}

/** Half the width of an interval, from past errors, ascending. */
function widthOf(errors: readonly number[], level: number): number {
  const rank = Math.ceil(((errors.length + 1) * level) / 100)
  if (rank <= errors.length) return errors[rank - 1]!
  const deviation = Math.sqrt(errors.reduce((sum, error) => sum + error ** 2, 0) / errors.length)
  return Math.max(errors.at(-1)!, deviation * jstat.normal.inv(0.5 + level / 200, 0, 1))
}
