import { describe, expect, it } from 'vitest'
import { NonFiniteError, OptionError, ShapeError } from '../../../src/base/errors.ts'
import { combine, type GuidanceRamp, guidanceAt, guidanceScale, guidanceWithin } from '../../../src/decode/index.ts'
import { expectNear } from '../tensor/finite-differences.ts'

const scalesOf = (ramp: GuidanceRamp, scale: number, steps: number) =>
  Array.from({ length: steps }, (_, step) => guidanceScale(ramp, scale)(step, steps))

describe('guidanceScale', () => {
  it.each([
    ['constant', [3, 3, 3, 3, 3]],
    ['linear', [1, 1.5, 2, 2.5, 3]],
    ['cosine', [1, 2 - Math.SQRT1_2, 2, 2 + Math.SQRT1_2, 3]],
    ['square', [1, 1.125, 1.5, 2.125, 3]],
    ['log', [0, 0.25, 0.5, 0.75, 1].map((p) => 1 + 2 * Math.log(1 + (Math.E - 1) * p))],
  ] as const)('%s', (ramp, expected) => expectNear(scalesOf(ramp, 3, 5), expected, ramp, 1e-12))

  it('is the ramp of VAR when linear: 1 + t·k/(K − 1)', () => {
    const t = 1.5
    expectNear(
      scalesOf('linear', 1 + t, 10),
      Array.from({ length: 10 }, (_, k) => 1 + (t * k) / 9),
      'ramp',
      1e-12,
    )
  })

  it('gives single steps the whole scale, and ends are exact', () => {
    for (const ramp of ['constant', 'linear', 'cosine', 'log', 'square'] as const) {
      expect(scalesOf(ramp, 1.3, 1)).toEqual([1.3])
      expect(scalesOf(ramp, 1.3, 7).at(-1)).toBe(1.3)
    }
  })

  it('refuses scales below 0 or not finite, and unknown ramps', () => {
    for (const scale of [-0.1, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(() => guidanceScale('linear', scale)).toThrow(OptionError)
      expect(() => guidanceAt(() => scale, 0, 2)).toThrow(OptionError)
      expect(() => guidanceWithin(scale, 0.5)).toThrow(OptionError)
    }
    expect(() => guidanceScale('cubic' as 'linear', 2)).toThrow(OptionError)
    expect([guidanceAt(2.5, 3, 4), guidanceAt((step, steps) => step / steps, 3, 4)]).toEqual([2.5, 0.75])
  })
})

it('guides within an interval of times alone', () => {
  expect([0, 0.5, 0.9, 0.91, 1].map((time) => guidanceWithin(4, time, { high: 0.9 }))).toEqual([4, 4, 4, 1, 1])
  expect([0.1, 0.2, 1].map((time) => guidanceWithin(4, time, { low: 0.2 }))).toEqual([1, 4, 4])
  for (const interval of [{ high: 1.1 }, { low: -0.1 }, { low: 0.6, high: 0.5 }, { high: Number.NaN }, { up: 1 }])
    expect(() => guidanceWithin(2, 0.5, interval)).toThrow(OptionError)
})

describe('combine', () => {
  const [c, u] = [Float32Array.of(1, -2, 0.5), Float32Array.of(0, 1, 0.5)]

  it.each(['logits', 'velocity', 'eps', 'hidden'] as const)('%s: u + s·(c − u)', (space) => {
    expect(combine(c, u, 0, space)).toEqual(u)
    expect(combine(c, u, 1, space)).toEqual(c)
    expect(combine(c, u, 3, space)).toEqual(Float32Array.of(3, -8, 0.5))
    // VAR writes (1 + t)·c − t·u with t = s − 1.
    expectNear(
      combine(c, u, 2.5, space),
      c.map((x, i) => 2.5 * x - 1.5 * u[i]!),
      '(1 + t)·c − t·u',
    )
  })

  it('keeps forbidden ids forbidden, and refuses other infinities', () => {
    const forbidden = Float32Array.of(Number.NEGATIVE_INFINITY, 1)
    expect(combine(forbidden, forbidden, 3, 'logits')).toEqual(forbidden)
    expect(() => combine(forbidden, forbidden, 3, 'velocity')).toThrow(NonFiniteError)
    expect(() => combine(Float32Array.of(0, 1), forbidden, 3, 'logits')).toThrow(NonFiniteError)
  })

  it.each([1, 1.5, 4])('affine, scale %f: the normalised product p_c^(1 + w) / p_u^w, where scales are alike', (scale) => {
    const logScale = Float32Array.of(-1, 0, 0.7)
    const guided = combine({ mean: c, logScale }, { mean: u, logScale }, scale, 'affine')
    expectNear(guided.mean, combine(c, u, scale, 'velocity'), 'mean')
    expectNear(guided.logScale, logScale, 'scale')
  })

  it('affine, narrower under the condition: the product of the two normal densities', () => {
    const [own, other] = [Float32Array.of(-0.5, -1, 0), Float32Array.of(0, -0.2, 0.4)]
    const w = 1.5
    const { mean, logScale } = combine({ mean: c, logScale: own }, { mean: u, logScale: other }, 1 + w, 'affine')
    for (let i = 0; i < 3; i++) {
      const [precisionC, precisionU] = [Math.exp(-2 * own[i]!), Math.exp(-2 * other[i]!)]
      const precision = (1 + w) * precisionC - w * precisionU
      expect(mean[i]).toBeCloseTo(((1 + w) * precisionC * c[i]! - w * precisionU * u[i]!) / precision, 5)
      expect(Math.exp(-2 * logScale[i]!)).toBeCloseTo(precision, 4)
    }
  })

  it('affine, wider under the condition: stays finite however large the scale', () => {
    const [own, other] = [Float32Array.of(1, 1, 1), Float32Array.of(-3, -3, -3)]
    const guided = combine({ mean: c, logScale: own }, { mean: u, logScale: other }, 1001, 'affine')
    expectNear(guided.logScale, own, 'scale')
    expect(combine({ mean: c, logScale: own }, { mean: u, logScale: other }, 1, 'affine').mean).toEqual(c)
  })

  it('refuses bad scales, spaces and arms', () => {
    const affine = { mean: c, logScale: u }
    for (const scale of [-1, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(() => combine(c, u, scale, 'eps')).toThrow(OptionError)
      expect(() => combine(affine, affine, scale, 'affine')).toThrow(OptionError)
    }
    expect(() => combine(affine, affine, 0.5, 'affine')).toThrow(OptionError)
    expect(() => combine(c, u, 1, 'probabilities' as 'logits')).toThrow(OptionError)
    expect(() => combine(c, u.subarray(1), 1, 'logits')).toThrow(ShapeError)
    expect(() => combine(affine, { mean: c, logScale: u.subarray(1) }, 1, 'affine')).toThrow(ShapeError)
    const broken = { mean: Float32Array.of(Number.NaN, 0, 0), logScale: u }
    expect(() => combine(broken, affine, 2, 'affine')).toThrow(NonFiniteError)
  })
})
