import * as v from 'valibot'
import type { FitRequest, ForecasterSystem, PredictRequest } from '../forecaster-system.ts'
import { parseConfig } from '../read-config.ts'

/** What a method without anything to learn says of one series, `[horizon]`. */
export type Continuation = (values: Float64Array, horizon: number, request: FitRequest) => Float64Array

interface Baseline {
  readonly id: string
  readonly source: string
  readonly minimumLength: (request: FitRequest) => number
  readonly continued: Continuation
}

/** Of a method that says the mean of each series from its own values. */
export const ownValuesOnly = {
  past: false,
  future: false,
  static: false,
  missing: false,
  anyHorizon: false,
  probabilistic: false,
  counts: false,
  paths: false,
  multivariate: false,
} as const

const noOptions = v.strictObject({})

/** A method without options that only looks at a series' own values. */
export function baseline({ id, source, minimumLength, continued }: Baseline): ForecasterSystem<Record<string, never>> {
  const fitted = (request: FitRequest) => ({
    minimumLength: minimumLength(request),
    predict: async ({ histories, horizon }: PredictRequest) =>
      histories.map(({ series }) => series.map(({ values }) => ({ mean: continued(values, horizon, request) }))),
    state: () => ({}),
  })
  return {
    kind: 'forecaster',
    id,
    source,
    capabilities: () => ({ ...ownValuesOnly, anyHorizon: true }),
    readOptions: (value) => parseConfig(noOptions, value, id) as Record<string, never>,
    minimumLength: (_, request) => minimumLength(request),
    fit: async (_frame, _options, request) => fitted(request),
    restore: (_state, _options, request) => fitted(request),
  }
}
