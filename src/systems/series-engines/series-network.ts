import type { HostTensor, Tensor } from '../../tensor/index.ts'
import type { LagCoefficients } from '../forecaster-system.ts'

/** What a network is built for. */
export interface SeriesSizes {
  /** Values that it looks at. */
  readonly inputSize: number
  /** Steps that it says at once. */
  readonly horizon: number
  /** Series in one window. */
  readonly variates: number
  /** Numbers that are known of every step, those to come included: the calendar, future covariates, what never changes. */
  readonly marks: number
  /** Of the marks, those of the calendar, which come first. */
  readonly calendar: number
  /** Numbers that are known of every step so far. */
  readonly covariates: number
  /** Parameters of the distribution of one value. */
  readonly outputs: number
  /** How many of them are locations; these come first. */
  readonly locations: number
  /** Steps of a season; 1: none. */
  readonly season: number
}

/** What a network sees. */
export interface SeriesWindow {
  /** Scaled and normed, `[batch, input, variate]`. */
  readonly values: Tensor
  /** `[batch, input + horizon, mark]`; undefined where there are none. */
  readonly marks: Tensor | undefined
  /** `[batch, input, covariate]`; undefined where there are none. */
  readonly covariates: Tensor | undefined
  /** Training alone: the share of all steps that is done, `[1]`. */
  readonly progress?: Tensor
}

export interface SeriesOutput {
  /** Parameters of each value's distribution as the head takes them, `[batch, horizon, variate, output]`. */
  readonly output: Tensor
  /** What the location is the sum of, each `[batch, horizon, variate]`; the first one carries the level. */
  readonly components?: Readonly<Record<string, Tensor>>
}

/** Mean loss of outputs against normed targets `[batch, horizon, variate]`. */
export type Judge = (output: Tensor, target: Tensor) => Tensor

/** Weights of scaled and normed values. */
export type RawCoefficients = LagCoefficients

/** A module that forecasts windows. */
export interface SeriesNetwork {
  forward(window: SeriesWindow): SeriesOutput
  /** Where more is learnt from than the forecast alone. `target`, normed: `[batch, horizon, variate]`. */
  loss?(window: SeriesWindow, target: Tensor, judge: Judge): Tensor
  /** Whether a weight belongs to what says the outputs: what is learnt where `learns` is 'head'. */
  isHead?(name: string): boolean
  /** Of linear networks, from the values of its weights by name. */
  readonly coefficients?: (weights: ReadonlyMap<string, HostTensor>) => RawCoefficients
}
