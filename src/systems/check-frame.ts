import { DataError } from '../base/errors.ts'
import { type Series, type SeriesFrame, stampAfter, stampText } from '../data/index.ts'
import type { FitRequest, ForecasterSystem } from './forecaster-system.ts'

/** Throws DataError on what a method cannot use. */
export function checkFrame(frame: SeriesFrame, system: ForecasterSystem, options: unknown, request: FitRequest): void {
  checkLengths(frame, system, options, request, 'a shorter horizon or season, or another model')
  checkSeries(frame, system, options)
}

/** Throws DataError on series that are too short. */
export function checkLengths(
  { series }: SeriesFrame,
  system: ForecasterSystem,
  options: unknown,
  request: FitRequest,
  fix: string,
): void {
  const least = system.minimumLength(options, request)
  const short = series.find(({ values }) => values.length < least)
  if (short !== undefined)
    throw new DataError(`series '${short.id}' has ${short.values.length} values`, {
      expected: `at least ${least} for '${system.id}' with a horizon of ${request.horizon} and a season of ${request.season}`,
      fix,
    })
}

/** Names that objects have without being asked, so that tables by name cannot hold them. */
const reservedNames = ['__proto__', 'constructor', 'prototype']

/** Of what a method is fitted to, and of what it goes on from. */
export function checkSeries(frame: SeriesFrame, system: ForecasterSystem, options: unknown): void {
  const capabilities = system.capabilities(options)
  if (frame.series.length === 0) throw new DataError('no series', { expected: 'at least one', fix: 'give a history' })
  const seen = new Set<string>()
  for (const series of frame.series) {
    checkNames(series)
    if (seen.has(series.id)) throw new DataError(`two series are named '${series.id}'`, { expected: 'a name for each' })
    seen.add(series.id)
    checkValues(series, system.id, capabilities.missing)
    for (const kind of ['past', 'future', 'static'] as const) {
      const names = Object.keys(series[kind])
      if (!capabilities[kind] && names.length > 0)
        throw new DataError(`'${system.id}' cannot use ${kind} covariates: ${names.join(', ')}`, {
          fix: 'leave them out, or take another model',
        })
    }
  }
}

function checkNames({ id, past, future, static: constants }: Series): void {
  const bad = [id, ...[past, future, constants].flatMap(Object.keys)].find((name) => reservedNames.includes(name))
  if (bad !== undefined) throw new DataError(`a series or covariate is named '${bad}'`, { expected: 'another name' })
}

function checkValues({ id, values }: Series, model: string, missing: boolean): void {
  const bad = values.findIndex((value) => !Number.isFinite(value) && !(missing && Number.isNaN(value)))
  if (bad < 0) return
  if (!Number.isNaN(values[bad])) throw new DataError(`value ${bad + 1} of series '${id}' is infinite`, { expected: 'numbers' })
  throw new DataError(`series '${id}' has gaps, which '${model}' cannot use`, {
    fix: "fill them: fill: 'forward', 'linear' or 'zero'",
  })
}

/** Throws DataError naming the stamps whose future covariates are missing. */
export function checkFuture({ id, start, values, future }: Series, frame: SeriesFrame, horizon: number): void {
  for (const [name, known] of Object.entries(future)) {
    const missing = Array.from({ length: horizon }, (_, step) => values.length + step).filter((at) => !Number.isFinite(known[at]))
    if (missing.length === 0) continue
    const stamps = missing.slice(0, 5).map((at) => stampText(stampAfter(frame.frequency, frame.zone, start, at), frame))
    const more = missing.length > stamps.length ? ` and ${missing.length - stamps.length} more` : ''
    throw new DataError(`the future covariate '${name}' of series '${id}' is missing for ${stamps.join(', ')}${more}`, {
      expected: `values for all ${horizon} steps to come`,
      fix: 'makeFuture lists the stamps',
    })
  }
}
