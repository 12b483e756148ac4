import type { SeriesFrame } from '../data/index.ts'
import type { Device } from '../platform/index.ts'

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
  /** Whether these quantiles are whole numbers: past errors cannot correct them by shares of what they are apart. */
  readonly counts: boolean
  /** Whether it draws ways that a series may take, each step given the ones before. */
  readonly paths: boolean
  /** Whether what is said of one series depends on the others: all of them must be there, over the same stamps. */
  readonly multivariate: boolean
}

/** What a forecast says of one series. */
export interface Prediction {
  /** `[horizon]`. */
  readonly mean: Float64Array
  /** Of quantiles from 0 to 1, each `[horizon]`. */
  readonly quantiles?: ReadonlyMap<number, Float64Array>
  /** What the mean is the sum of, by name, each `[horizon]`: trend, season. */
  readonly components?: Readonly<Record<string, Float64Array>>
  /** Ways that the series may take, each `[horizon]`. */
  readonly paths?: readonly Float64Array[]
}

export interface PredictRequest {
  /** Each what is known at some moment; forecasts begin after each series' last value. */
  readonly histories: readonly SeriesFrame[]
  readonly horizon: number
  readonly quantiles: readonly number[]
  /** How many ways that the series may take are drawn, and by which seed. Default: none. */
  readonly paths?: { readonly count: number; readonly seed: number } | undefined
  readonly signal?: AbortSignal | undefined
}

/** Weights of a linear method: step `h` is `constant[h] + Σ lags[h][i] · value i steps before the last one`. */
export interface LagCoefficients {
  /** `[horizon][lag]`; lag 0 is the last value known. */
  readonly lags: readonly Float64Array[]
  /** `[horizon]`. */
  readonly constant: Float64Array
}

/** A method fitted to data. */
export interface FittedForecaster {
  /** Least values that a history must have. */
  readonly minimumLength: number
  /** Last values of each series that nothing was learnt from; they judged when to stop. Default 0. */
  readonly heldOut?: number
  /** For each history, one for each of its series. */
  predict(request: PredictRequest): Promise<readonly (readonly Prediction[])[]>
  /** All that was learnt, as JSON. */
  state(): unknown
  /** Of linear methods, for a series (default: the first one learnt from): its scale decides the constant. */
  coefficients?(id?: string): LagCoefficients
  /** Frees what it holds on the device. */
  dispose?(): Promise<void>
}

/** How far a method is that learns in steps. */
export interface FitProgress {
  readonly step: number
  readonly steps: number
  readonly loss: number
  /** Of the values held out, the last time they were looked at. */
  readonly validationLoss?: number
}

export interface FitRequest {
  readonly horizon: number
  /** Steps of a season; 1: none. */
  readonly season: number
  /** Source of all that is random. */
  readonly seed: number
  /** Where methods that learn in steps run; without one they open their own. */
  readonly device?: Device | undefined
  /** State of a fitted one that learning starts from. */
  readonly start?: unknown
  readonly signal?: AbortSignal | undefined
  readonly onProgress?: ((progress: FitProgress) => void) | undefined
}

/** A method of forecasting, as data: how its options are read, and how it is fitted. */
export interface ForecasterSystem<Options = unknown> {
  readonly kind: 'forecaster'
  /** Equals the file's name. */
  readonly id: string
  /** Where the method is described. */
  readonly source: string
  /** What it can use and give with these options. */
  capabilities(options: Options): ForecastCapabilities
  /** The options in parsed JSON, defaults filled in. Throws OptionError on what is unknown or out of range. */
  readOptions(value: unknown): Options
  /** Least values of a series to fit it with. */
  minimumLength(options: Options, request: FitRequest): number
  fit(frame: SeriesFrame, options: Options, request: FitRequest): Promise<FittedForecaster>
  /** What `state` gave, fitted again. Throws FormatError on anything else. */
  restore(state: unknown, options: Options, request: FitRequest): FittedForecaster
}
