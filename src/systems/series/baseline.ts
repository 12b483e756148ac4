import * as v from 'valibot'
import type { Series } from '../../data/index.ts'
import type { FitRequest, ForecasterSystem } from '../forecaster-system.ts'
import { parseConfig } from '../read-config.ts'

/** What a method without anything to learn says of one series, `[horizon]`. */
export type Continuation = (values: Float64Array, horizon: number, request: FitRequest) => Float64Array

interface Baseline {
  readonly id: string
  readonly source: string
  readonly minimumLength: (request: FitRequest) => number
  readonly continued: Continuation
}

const noOptions = v.strictObject({})

/** A method without options that only looks at a series' own values. */
export function baseline({ id, source, minimumLength, continued }: Baseline): ForecasterSystem<Record<string, never>> {
  const fitted = (request: FitRequest) => ({
    minimumLength: minimumLength(request),
    predict: async ({ history, horizon }: { history: { series: readonly Series[] }; horizon: number }) =>
      history.series.map(({ values }) => ({ mean: continued(values, horizon, request) })),
    state: () => ({}),
  })
  return {
    kind: 'forecaster',
    id,
    source,
    capabilities: { past: false, future: false, static: false, missing: false, anyHorizon: true, probabilistic: false },
    readOptions: (value) => parseConfig(noOptions, value, id) as Record<string, never>,
    minimumLength: (_, request) => minimumLength(request),
    fit: async (_frame, _options, request) => fitted(request),
    restore: (_state, _options, request) => fitted(request),
  }
}
