import { describe, expect, it } from 'vitest'
import { OptionError } from '../../../src/base/errors.ts'
import { decomposeSeries, movingAverage } from '../../../src/nn/index.ts'
import { input, interpret, symbol } from '../../../src/tensor/index.ts'
import { expectNear, noise } from '../tensor/finite-differences.ts'
import { checkLayerGradients } from './check-gradients.ts'

/** From the definition: the mean over a window, whose places are held within the series. */
function naive(data: Float64Array, [batch, time, channels]: readonly [number, number, number], kernel: number): number[] {
  return Array.from({ length: batch * time * channels }, (_, flat) => {
    const [row, at, channel] = [Math.floor(flat / (time * channels)), Math.floor(flat / channels) % time, flat % channels]
    let sum = 0
    for (let offset = -(kernel - 1) / 2; offset <= (kernel - 1) / 2; offset++) {
      const place = Math.min(time - 1, Math.max(0, at + offset))
      sum += data[(row * time + place) * channels + channel]!
    }
    return sum / kernel
  })
}

describe('series decomposition', () => {
  it.each([
    [1, 6],
    [3, 6],
    [5, 12],
    [25, 10],
  ])('the mean of %d steps around each of %d, ends repeated', (kernel, time) => {
    const x = noise('x', [2, time, 3])
    const { season, trend } = decomposeSeries(input('x', 'float32', ['batch', 'time', 3]), kernel)
    expect(trend.shape.map(String)).toEqual(['batch', 'time', '3'])
    const [left, smooth] = interpret([season, trend], { inputs: { x } })
    const expected = naive(x.data, [2, time, 3], kernel)
    expectNear(smooth!.data, expected, 'trend', 1e-12)
    expectNear(
      left!.data,
      expected.map((value, i) => x.data[i]! - value),
      'season',
      1e-12,
    )
  })

  it('takes a whole period out of a wave on a slope', () => {
    const x = { shape: [1, 96, 1], data: Float64Array.from({ length: 96 }, (_, t) => t / 10 + Math.sin((2 * Math.PI * t) / 5)) }
    const [trend] = interpret([movingAverage(input('x', 'float32', x.shape), 5)], { inputs: { x } })
    for (let t = 2; t < 94; t++) expect(trend!.data[t]).toBeCloseTo(t / 10, 10)
  })

  it('has the gradients of central differences', () => {
    checkLayerGradients({}, (x) => movingAverage(x, 5), [2, 7, 2])
  })

  it('refuses even kernels and sizes that are none', () => {
    const x = input('x', 'float32', [1, symbol('time'), 1])
    for (const kernel of [24, 0, -1, 2.5]) expect(() => decomposeSeries(x, kernel)).toThrow(OptionError)
    expect(() => movingAverage(x, 24)).toThrow(/an odd number of steps; take 23 or 25/)
  })
})
