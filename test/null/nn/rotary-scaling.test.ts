import { describe, expect, it } from 'vitest'
import { OptionError } from '../../../src/base/errors.ts'
import {
  dynamicScaling,
  linearScaling,
  llama3Scaling,
  longRope,
  type RotaryScaling,
  rotary,
  unscaled,
  yarn,
} from '../../../src/nn/index.ts'
import { constant, interpret } from '../../../src/tensor/index.ts'
import { expectNear, noise } from '../tensor/finite-differences.ts'
import { fixed, rowsOf, turnRow } from './oracle.ts'

const given = { base: 10000, width: 64, context: 8192 }
const plain = Array.from({ length: 32 }, (_, i) => 10000 ** (-i / 32))
const wavelength = (frequency: number) => (2 * Math.PI) / frequency

describe('frequencies', () => {
  it('unscaled: base^(−2i/width)', () => {
    expectNear(unscaled(given).frequencies, plain, 'frequencies', 1e-15)
  })

  it('linear: position interpolation divides positions', () => {
    expectNear(
      linearScaling({ factor: 4 })(given).frequencies,
      plain.map((f) => f / 4),
      'frequencies',
      1e-15,
    )
  })

  it('dynamic: the highest stays, the lowest is stretched as much as the positions', () => {
    const { frequencies } = dynamicScaling({ factor: 2, original: 4096 })(given)
    // For a context of twice the trained one: 2·2 − 1 = 3.
    expect(frequencies[0]).toBe(1)
    expect(frequencies[31]! / plain[31]!).toBeCloseTo(1 / 3, 12)
    const base = 10000 * 3 ** (64 / 62)
    expectNear(
      frequencies,
      plain.map((_, i) => base ** (-i / 32)),
      'frequencies',
      1e-14,
    )
    expect(dynamicScaling({ factor: 2, original: 8192 })(given)).toEqual(unscaled(given))
  })

  it('yarn: fast pairs stay, slow ones are interpolated, those between lie on the ramp', () => {
    const { frequencies, amplitude } = yarn({ factor: 16, original: 4096 })(given)
    expect(amplitude).toBeCloseTo(0.1 * Math.log(16) + 1, 15)
    // Pairs that turn 32 times and once: 32·ln(4096/(2π·32))/ln(10000) = 10.46…, and 22.51….
    const [low, high] = [10, 23]
    frequencies.forEach((frequency, i) => {
      const share = Math.min(1, Math.max(0, (i - low) / (high - low)))
      expect(frequency).toBeCloseTo((plain[i]! * share) / 16 + plain[i]! * (1 - share), 15)
    })
    expect(frequencies[10]).toBe(plain[10])
    expect(frequencies[23]).toBe(plain[23]! / 16)
    const exact = yarn({ factor: 16, original: 4096, truncate: false, amplitude: 1 })(given)
    expect(exact.amplitude).toBe(1)
    expect(exact.frequencies[11]).toBeLessThan(plain[11]!)
    expect(exact.frequencies[11]).not.toBe(frequencies[11])
    expect(yarn({ factor: 2, original: 100, fast: 8, slow: 2 })(given).frequencies[2]).not.toBe(
      yarn({ factor: 2, original: 100 })(given).frequencies[2],
    )
  })

  it('llama3: by wavelength, as the published formula has it', () => {
    const { frequencies } = llama3Scaling({ factor: 8, original: 8192, low: 1, high: 4 })({ ...given, base: 500000, width: 128 })
    const before = Array.from({ length: 64 }, (_, i) => 500000 ** (-i / 64))
    const kinds = new Set<string>()
    before.forEach((frequency, i) => {
      const length = wavelength(frequency)
      const smooth = (8192 / length - 1) / (4 - 1)
      const [kind, wanted] =
        length < 8192 / 4
          ? ['kept', frequency]
          : length > 8192
            ? ['divided', frequency / 8]
            : ['between', ((1 - smooth) * frequency) / 8 + smooth * frequency]
      kinds.add(kind as string)
      expect(frequencies[i]! / (wanted as number)).toBeCloseTo(1, 12)
    })
    expect(kinds.size).toBe(3)
  })

  it('longrope: other factors for longer contexts', () => {
    const [short, long] = [plain.map(() => 2), plain.map((_, i) => i + 1)]
    const scaling = longRope({ original: 4096, short, long, amplitude: 1.2 })
    expectNear(
      scaling(given).frequencies,
      plain.map((f, i) => f / (i + 1)),
      'long',
      1e-15,
    )
    expectNear(
      scaling({ ...given, context: 4096 }).frequencies,
      plain.map((f) => f / 2),
      'short',
      1e-15,
    )
    expect(scaling(given).amplitude).toBe(1.2)
    expect(() => longRope({ original: 4096, short: [1], long: [1] })(given)).toThrow(/1 factors for 32 pairs/)
  })

  const bad: [string, () => RotaryScaling][] = [
    ['a factor of 0', () => linearScaling({ factor: 0 })],
    ['an unknown factor', () => dynamicScaling({ factor: Number.NaN, original: 100 })],
    ['a trained context of negative length', () => yarn({ factor: 2, original: -1 })],
    ['bounds in the wrong order', () => llama3Scaling({ factor: 8, original: 8192, low: 4, high: 1 })],
    ['an endless factor in a list', () => longRope({ original: 9, short: [Number.POSITIVE_INFINITY], long: [1] })],
    ['an unknown option', () => yarn({ factor: 2, original: 10, beta: 3 } as never)],
  ]
  it.each(bad)('refuse %s', (_name, make) => {
    expect(make).toThrow(OptionError)
  })
})

describe('rotation with a scaling', () => {
  it('turns the first channels by scaled angles and lengthens them; the others pass', () => {
    const scaling = yarn({ factor: 4, original: 8 })
    const positions = rotary({ base: 50, share: 0.75, scaling })({ width: 8, context: 32 })
    const x = noise('x', [1, 2, 3, 8])
    const at = [0, 5, 31]
    const [actual] = interpret([positions.rotate!(fixed(x), constant(at, [1, 3], 'int32'))], { inputs: {} })
    const { frequencies, amplitude } = scaling({ base: 50, width: 6, context: 32 })
    for (const head of [0, 1]) {
      const expected = rowsOf(x, 0, head).map((row, slot) => turnRow(row, at[slot]!, frequencies, amplitude))
      expectNear(rowsOf(actual!, 0, head).flat(), expected.flat(), `head ${head}`, 1e-12)
    }
  })

  it.each([0, -0.5, 1.1, Number.NaN])('refuses a share of %d', (share) => {
    expect(() => rotary({ share })).toThrow(OptionError)
  })
})
