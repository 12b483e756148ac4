import { OptionError } from '../../base/errors.ts'
import type { LagCoefficients } from '../forecaster-system.ts'
import type { NeuralOptions } from './neural-options.ts'
import type { Scale } from './scaling.ts'
import type { RawCoefficients } from './series-network.ts'

/** Weights of scaled and normed values, as weights of the values themselves. */
export function placedCoefficients(
  { lags, constant }: RawCoefficients,
  normalization: NeuralOptions['normalization'],
  scale: Scale | undefined,
): LagCoefficients {
  if (normalization === 'standard')
    throw new OptionError('no coefficients where windows are divided by their deviation', {
      fix: "normalization: 'last', 'mean' or 'none'",
    })
  if (scale === undefined) throw new OptionError('coefficients of a series that was not learnt from', { expected: 'one of those' })
  const missing = lags.map((row) => 1 - row.reduce((sum, weight) => sum + weight, 0))
  // What the weights lack of 1 goes to the level that was taken off.
  const level = { none: () => 0, last: (lag: number) => Number(lag === 0), mean: () => 1 / lags[0]!.length }[normalization]
  return {
    lags: lags.map((row, step) => row.map((weight, lag) => weight + missing[step]! * level(lag))),
    constant: constant.map((each, step) => each * scale.spread + (normalization === 'none' ? missing[step]! * scale.center : 0)),
  }
}
