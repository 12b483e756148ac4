import { OptionError, ShapeError } from '../base/errors.ts'
import { refuseUnknown } from '../base/options.ts'
import {
  concat,
  constant,
  type Dimension,
  expand,
  gather,
  matmul,
  pad,
  reshape,
  slice,
  type Tensor,
  type TensorOperand,
  transpose,
} from '../tensor/index.ts'
import { toTensor } from '../tensor/tensor.ts'
import { fourierLength, multiplySpectra, RealFourier } from './real-fourier.ts'

export interface LongConvolutionOptions {
  /** One matrix a channel, or spectra. Default: what is faster for the length. */
  readonly route?: 'direct' | 'spectral'
}

/** Up to so many steps, matrices are faster. */
const longestDirect = 128

/**
 * y_t = Σ_{s ≤ t} kernel_{t−s}·u_s of each channel: u `[batch, time, channel]`, kernel `[channel, up to time]` → u's shape. Directly, work is
 * quadratic in time; through spectra it is about time^1.5. Throws ShapeError when the operands do not fit, OptionError on unknown options.
 */
export function longConvolution(u: TensorOperand, kernel: TensorOperand, options: LongConvolutionOptions = {}): Tensor {
  refuseUnknown(options, ['route'], 'longConvolution')
  const [series, taps] = [toTensor(u), toTensor(kernel)]
  const [, time, channels] = series.shape as [Dimension, number, number]
  const [rows, length] = taps.shape as [number, number]
  if (series.rank !== 3 || taps.rank !== 2 || rows !== channels || !(length <= time))
    throw new ShapeError(`a kernel [${taps.shape}] for series [${series.shape}]`, { expected: `[${channels}, 1 … ${time}]` })
  const { route = time <= longestDirect ? 'direct' : 'spectral' } = options
  if (route !== 'direct' && route !== 'spectral')
    throw new OptionError(`route is ${String(route)}`, { expected: "'direct' or 'spectral'" })
  return route === 'direct' ? throughMatrices(series, pad(taps, 1, 0, time - length)) : throughSpectra(series, taps)
}

function throughMatrices(u: Tensor, kernel: Tensor): Tensor {
  return transpose(matmul(toeplitz(kernel), transpose(u, [2, 1, 0])), [2, 1, 0])
}

/** `[channel, time]` → `[channel, t, s]`: kernel_{t−s} for s ≤ t, else 0. A circle of 2·time values, read anew one step earlier for each row. */
function toeplitz(kernel: Tensor): Tensor {
  const [channels, time] = kernel.shape as [number, number]
  const falling = gather(
    kernel,
    constant(
      Int32Array.from({ length: time - 1 }, (_, i) => time - 1 - i),
      [time - 1],
      'int32',
    ),
    1,
  )
  const circle = concat([pad(slice(kernel, 1, 0, 1), 1, 0, time), falling], 1)
  const repeated = reshape(expand(reshape(circle, [channels, 1, 2 * time]), [channels, time, 2 * time]), [
    channels,
    2 * time * time,
  ])
  const rows = reshape(slice(repeated, 1, 0, time * (2 * time - 1)), [channels, time, 2 * time - 1])
  return slice(rows, 2, 0, time)
}

/** Zeros behind the ends keep what runs round the circle apart. */
function throughSpectra(u: Tensor, kernel: Tensor): Tensor {
  const [time, length] = [u.shape[1] as number, kernel.shape[1] as number]
  const fourier = new RealFourier(fourierLength(time + length - 1))
  const long = pad(u, 1, 0, fourier.length - time)
  const taps = pad(transpose(kernel), 0, 0, fourier.length - length)
  return slice(fourier.inverse(multiplySpectra(fourier.forward(long), fourier.forward(taps))), 1, 0, time)
}
