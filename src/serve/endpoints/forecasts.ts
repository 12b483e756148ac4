import * as v from 'valibot'
import { wholeNumber } from '../../base/options.ts'
import { type ReadSeries, readSeries, stampText } from '../../data/index.ts'
import type { Forecast, SeriesForecast } from '../../systems/index.ts'
import { invalid, tooLarge } from '../api-error.ts'
import type { ServeLimits } from '../limits.ts'
import { readBody } from '../read-body.ts'
import type { SeriesHost } from '../series-host.ts'
import type { Endpoint } from '../service.ts'
import { checkKind, type EndpointContext, useKind } from './context.ts'
import { duringLease } from './deliver.ts'

const values = v.array(v.pipe(v.number(), v.finite()))
const covariates = v.optional(v.record(v.string(), values), {})

const series = v.strictObject({
  id: v.optional(v.string(), 'series'),
  /** Of the values, and behind them of what is to come where there are future covariates: dates, or whole numbers. */
  timestamps: v.array(v.union([v.string(), v.pipe(v.number(), v.finite())])),
  values: v.pipe(values, v.minLength(1)),
  /** Covariates known as long as the values are. */
  past: covariates,
  /** Covariates known for all timestamps. */
  future: covariates,
  static: v.optional(v.record(v.string(), v.union([v.string(), v.pipe(v.number(), v.finite())])), {}),
})

type SeriesBody = v.InferOutput<typeof series>

function forecastSchema(limits: ServeLimits) {
  return v.strictObject({
    model: v.string(),
    series: v.pipe(v.array(series), v.minLength(1), v.maxLength(limits.inputs)),
    frequency: v.optional(v.string()),
    zone: v.optional(v.string()),
    fill: v.optional(v.picklist(['refuse', 'keep', 'forward', 'linear', 'zero'])),
    horizon: v.optional(wholeNumber(1, limits.horizon)),
    /** In percent. */
    levels: v.optional(v.pipe(v.array(v.pipe(v.number(), v.gtValue(0), v.ltValue(100))), v.maxLength(20))),
    paths: v.optional(wholeNumber(1, 1000)),
    seed: v.optional(wholeNumber(0)),
  })
}

type ForecastBody = v.InferOutput<ReturnType<typeof forecastSchema>>

/** `POST /v1/forecasts`. */
export function forecasts(context: EndpointContext): Endpoint {
  const schema = forecastSchema(context.limits)
  return {
    method: 'POST',
    path: '/v1/forecasts',
    async answer({ body: given }, call) {
      const body = readBody(schema, given)
      checkKind(context, body.model, 'series')
      checkSize(body, context.limits)
      const { frame } = await readHistory(body)
      const lease = await useKind(context, body.model, 'series', call)
      return duringLease(lease, async () => {
        const { forecaster } = lease.host as SeriesHost
        const { horizon, levels = forecaster.levelsFor(frame), paths, seed } = body
        const asked = Object.fromEntries(
          Object.entries({ horizon, levels, paths, seed }).filter(([, value]) => value !== undefined),
        )
        const forecast = await (lease.host as SeriesHost).forecast({ history: frame, ...asked }, call.signal)
        const data = forecast.series.map((each) => written(each, forecast))
        return { kind: 'json', body: { object: 'list', model: body.model, method: forecast.model, data } }
      })
    },
  }
}

function checkSize({ series: all, horizon = 1, paths = 1 }: ForecastBody, { seriesValues }: ServeLimits): void {
  const columns = ({ past, future }: SeriesBody) => 1 + Object.keys(past).length + Object.keys(future).length
  const count = all.reduce((total, each) => total + each.timestamps.length * columns(each), 0)
  const asked = Math.max(count, all.length * horizon * paths)
  if (asked > seriesValues) throw tooLarge('series', `${asked} values, expected at most ${seriesValues}`)
}

/** Rows as tables have them, so that all that holds for tables holds here. */
async function readHistory({ series: all, frequency, zone, fill }: ForecastBody): Promise<ReadSeries> {
  const rows = all.flatMap(rowsOf)
  const options = { time: 'time', id: 'id', target: 'value', frequency, zone, fill, ...columnsOf(all) }
  return readSeries(rows, Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)))
}

const kinds = ['past', 'future', 'static'] as const

/** Names of covariates begin with their kind, lest they are taken for another column. */
function columnsOf(all: readonly SeriesBody[]): Partial<Record<(typeof kinds)[number], string[]>> {
  const first = all[0]!
  const named = kinds.map((kind) => [kind, Object.keys(first[kind]).map((name) => `${kind} ${name}`)] as const)
  for (const each of all)
    for (const kind of kinds)
      if (String(Object.keys(each[kind]).sort()) !== String(Object.keys(first[kind]).sort()))
        throw invalid('series', `series '${each.id}' has other ${kind} covariates than '${first.id}'`)
  return Object.fromEntries(named.filter(([, names]) => names.length > 0))
}

function rowsOf({ id, timestamps, values: known, past, future, ...one }: SeriesBody): object[] {
  for (const [name, given] of Object.entries(future)) checkLength(id, name, given.length, timestamps.length)
  for (const [name, given] of Object.entries(past)) checkLength(id, name, given.length, known.length)
  const rows = Object.keys(future).length > 0 ? timestamps.length : known.length
  if (timestamps.length !== rows || rows < known.length)
    throw invalid('series', `series '${id}' has ${timestamps.length} timestamps for ${known.length} values`)
  const fixed = Object.entries(one.static).map(([name, value]) => [`static ${name}`, value])
  return timestamps.map((time, i) => ({
    id,
    time,
    ...(i < known.length && { value: known[i]! }),
    ...Object.fromEntries([
      ...(i < known.length ? Object.entries(past).map(([name, given]) => [`past ${name}`, given[i]!]) : []),
      ...Object.entries(future).map(([name, given]) => [`future ${name}`, given[i]!]),
      ...fixed,
    ]),
  }))
}

function checkLength(id: string, name: string, got: number, wanted: number): void {
  if (got !== wanted) throw invalid('series', `the covariate '${name}' of series '${id}' has ${got} values, expected ${wanted}`)
}

function written({ id, stamps, mean, intervals, components, paths }: SeriesForecast, grid: Forecast) {
  return {
    object: 'forecast',
    id,
    timestamps: stamps.map((stamp) => stampText(stamp, grid)),
    mean: [...mean],
    intervals: Array.from(intervals, ([level, { lower, upper }]) => ({ level, lower: [...lower], upper: [...upper] })),
    ...(components && { components: Object.fromEntries(Object.entries(components).map(([name, each]) => [name, [...each]])) }),
    ...(paths && { paths: paths.map((path) => [...path]) }),
  }
}
