import { OptionError } from '../base/errors.ts'
import { refuseUnknown } from '../base/options.ts'
import { type Dimension, matmul, multiply, oneHot, pad, reshape, slice, softmax, sum, type Tensor, topK } from '../tensor/index.ts'
import type { Mixing } from './head-mixer.ts'
import { joinHeads, splitHeads } from './heads.ts'
import { correlateSpectra, RealFourier, type Spectrum } from './real-fourier.ts'

export interface AutoCorrelationOptions {
  /** ⌊factor·ln(length)⌋ lags are aggregated. */
  readonly factor: number
}

/**
 * Mixes a series with itself at the lags where queries and keys correlate most, instead of slot by slot. Wu et al. 2021 (Autoformer),
 * section 3.2: R(τ) = mean over heads and channels of Σ_t query_{t+τ}·key_t (indices round the circle), the k = ⌊factor·ln L⌋ largest R
 * become shares by softmax, and the result is Σ share_τ·value_{t+τ}. Fewer keys than queries are followed by zeros, and keys beyond the
 * queries are left out, as in the paper.
 *
 * Each sample chooses its own lags, in training too. The authors' code chooses them over the mean of a training batch and per sample
 * afterwards: that computes different functions at the two times, and a sample's forecast in training depends on its neighbours in the batch.
 *
 * Throws OptionError on a factor that is not positive and on unknown options; the mixing throws it unless 1 ≤ factor·ln L ≤ L.
 */
export function autoCorrelationMixing(options: AutoCorrelationOptions): Mixing {
  refuseUnknown(options, ['factor'], 'autoCorrelationMixing')
  const { factor } = options
  if (!(factor > 0 && factor < Number.POSITIVE_INFINITY))
    throw new OptionError(`factor is ${factor}`, { expected: 'a finite number > 0' })
  return (query, key, value) => {
    const [length, heads, headWidth] = [query.shape[2] as number, query.shape[1] as number, query.shape[3] as number]
    const lags = lagCount(factor, length)
    const fourier = new RealFourier(length)
    const spectrum = (x: Tensor) => fourier.forward(fitted(joinHeads(x), length))
    const shares = lagShares(fourier.inverse(meanCrossSpectrum(spectrum(query), spectrum(key))), lags)
    // Σ_τ share_τ·value_{t+τ} correlates values with shares.
    return splitHeads(fourier.inverse(correlateSpectra(spectrum(value), fourier.forward(shares))), heads, headWidth)
  }
}

function lagCount(factor: number, length: number): number {
  const lags = Math.floor(factor * Math.log(length))
  if (lags >= 1 && factor * Math.log(length) <= length) return lags
  throw new OptionError(`factor ${factor} asks for ${lags} of ${length} lags`, {
    expected: `1 ≤ factor·ln(${length}) ≤ ${length}`,
    fix: 'change the factor, or give a longer series',
  })
}

/** `[batch, slot, width]` with as many slots as asked for: cut, or followed by zeros. */
function fitted(x: Tensor, length: number): Tensor {
  const slots = x.shape[1] as number
  return slots >= length ? slice(x, 1, 0, length) : pad(x, 1, 0, length - slots)
}

/** The spectrum `[batch, frequency, 1]` of correlations, averaged over channels. */
function meanCrossSpectrum(query: Spectrum, key: Spectrum): Spectrum {
  const { real, imaginary } = correlateSpectra(query, key)
  const average = (part: Tensor) => multiply(sum(part, -1, { keep: true }), 1 / (part.shape[2] as number))
  return { real: average(real), imaginary: average(imaginary) }
}

/** Softmax over the largest correlations `[batch, lag, 1]`; 0 at all other lags. */
function lagShares(correlations: Tensor, lags: number): Tensor {
  const [batch, length] = correlations.shape as [Dimension, number]
  const { values, indices } = topK(reshape(correlations, [batch, length]), lags)
  const shares = matmul(reshape(softmax(values), [batch, 1, lags]), oneHot(indices, length))
  return reshape(shares, correlations.shape)
}
