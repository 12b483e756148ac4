import type { SeriesFrame } from '../data/index.ts'

/** What a method of forecasting can use and give; anything else is refused before it starts. */
export interface ForecastCapabilities {
  /** Covariates that are known up to the last value. */
  readonly past: boolean
  /** Covariates that are known beyond. */
  readonly future: boolean
  readonly static: boolean
  /** Gaps (NaN) in the values. */
  readonly missing: boolean
  /** Whether what is fitted forecasts as far as one likes; otherwise as far as it was fitted for. */
  readonly anyHorizon: boolean
  /** Whether forecasts have quantiles of their own; those of others come from their errors on past windows. */
  readonly probabilistic: boolean
}

/** What a forecast says of one series. */
export interface Prediction {
  /** `[horizon]`. */
  readonly mean: Float64Array
  /** Of quantiles from 0 to 1, each `[horizon]`. */
  readonly quantiles?: ReadonlyMap<number, Float64Array>
}

export interface PredictRequest {
  /** What is known; forecasts begin after each series' last value. */
  readonly history: SeriesFrame
  readonly horizon: number
  readonly quantiles: readonly number[]
  readonly signal?: AbortSignal | undefined
}

/** A method fitted to data. */
export interface FittedForecaster {
  /** Least values that a history must have. */
  readonly minimumLength: number
  /** One for each series of the history. */
  predict(request: PredictRequest): Promise<readonly Prediction[]>
  /** All that was learnt, as JSON. */
  state(): unknown
}

export interface FitRequest {
  readonly horizon: number
  /** Steps of a season; 1: none. */
  readonly season: number
  readonly signal?: AbortSignal | undefined
}

/** A method of forecasting, as data: how its options are read, and how it is fitted. */
export interface ForecasterSystem<Options = unknown> {
  readonly kind: 'forecaster'
  /** Equals the file's name. */
  readonly id: string
  /** Where the method is described. */
  readonly source: string
  readonly capabilities: ForecastCapabilities
  /** The options in parsed JSON, defaults filled in. Throws OptionError on what is unknown or out of range. */
  readOptions(value: unknown): Options
  /** Least values of a series to fit it with. */
  minimumLength(options: Options, request: FitRequest): number
  fit(frame: SeriesFrame, options: Options, request: FitRequest): Promise<FittedForecaster>
  /** What `state` gave, fitted again. Throws FormatError on anything else. */
  restore(state: unknown, options: Options, request: FitRequest): FittedForecaster
}
