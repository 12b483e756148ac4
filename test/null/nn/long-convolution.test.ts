import { describe, expect, it } from 'vitest'
import { OptionError, ShapeError } from '../../../src/base/errors.ts'
import { longConvolution } from '../../../src/nn/index.ts'
import { input, interpret, pullback } from '../../../src/tensor/index.ts'
import { expectNear, noise } from '../tensor/finite-differences.ts'

/** y_t = Σ_{s ≤ t} kernel_{t−s}·u_s of u `[batch, time, 2]`. */
function naive(u: Float64Array, kernel: Float64Array, time: number): number[] {
  const length = kernel.length / 2
  return Array.from(u, (_, flat) => {
    const [row, at, channel] = [Math.floor(flat / (2 * time)), Math.floor(flat / 2) % time, flat % 2]
    let sum = 0
    for (let lag = 0; lag <= at && lag < length; lag++)
      sum += kernel[channel * length + lag]! * u[2 * (row * time + at - lag) + channel]!
    return sum
  })
}

describe('longConvolution', () => {
  it.each([
    ['direct', 1, 1],
    ['direct', 9, 9],
    ['direct', 9, 4],
    ['spectral', 9, 9],
    ['spectral', 9, 4],
    ['spectral', 200, 200],
    [undefined, 30, 30],
    [undefined, 150, 20],
  ] as const)('is its definition: %s, %d steps, a kernel of %d', (route, time, length) => {
    const inputs = { u: noise('u', [2, time, 2]), kernel: noise('kernel', [2, length]) }
    const y = longConvolution(input('u', 'float32', [2, time, 2]), input('kernel', 'float32', [2, length]), route && { route })
    expectNear(interpret([y], { inputs })[0]!.data, naive(inputs.u.data, inputs.kernel.data, time), 'y', 1e-4)
  })

  it('has the same gradients on both routes, those of the definition', () => {
    const inputs = { u: noise('u', [1, 12, 2]), kernel: noise('kernel', [2, 12]), g: noise('g', [1, 12, 2]) }
    const [u, kernel, g] = [
      input('u', 'float32', [1, 12, 2]),
      input('kernel', 'float32', [2, 12]),
      input('g', 'float32', [1, 12, 2]),
    ]
    const slopes = (['direct', 'spectral'] as const).map((route) =>
      interpret(pullback(longConvolution(u, kernel, { route }), g, [u, kernel]), { inputs }),
    )
    // ∂/∂kernel_lag = Σ_t g_t·u_{t−lag}.
    const expected = Array.from({ length: 24 }, (_, at) => {
      const [channel, lag] = [Math.floor(at / 12), at % 12]
      let sum = 0
      for (let t = lag; t < 12; t++) sum += inputs.g.data[2 * t + channel]! * inputs.u.data[2 * (t - lag) + channel]!
      return sum
    })
    for (const [, dKernel] of slopes) expectNear(dKernel!.data, expected, 'kernel', 1e-4)
    expectNear(slopes[0]![0]!.data, slopes[1]![0]!.data, 'u', 1e-4)
  })

  it('refuses kernels that do not fit, and unknown routes', () => {
    const u = input('u', 'float32', [1, 5, 2])
    expect(() => longConvolution(u, input('k', 'float32', [3, 5]))).toThrow(ShapeError)
    expect(() => longConvolution(u, input('k', 'float32', [2, 6]))).toThrow(ShapeError)
    expect(() => longConvolution(u, input('k', 'float32', [2, 5]), { route: 'fast' as 'direct' })).toThrow(OptionError)
    expect(() => longConvolution(u, input('k', 'float32', [2, 5]), { causal: true } as object)).toThrow(
      /unknown longConvolution option/,
    )
  })
})
