import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { OptionError } from '../../src/base/errors.ts'
import { philox } from '../../src/base/philox.ts'
import { createRng } from '../../src/base/rng.ts'
import { chiSquare, chiSquareLimit, correlation, histogram, mean } from './rng-statistics.ts'

/** Known answers of the Random123 distribution (kat_vectors, philox4x32 10): counter, key, result. */
const published = [
  ['00000000 00000000 00000000 00000000', '00000000 00000000', '6627e8d5 e169c58d bc57ac4c 9b00dbd8'],
  ['ffffffff ffffffff ffffffff ffffffff', 'ffffffff ffffffff', '408f276d 41c83b0e a20bc7c6 6d5451fd'],
  ['243f6a88 85a308d3 13198a2e 03707344', 'a4093822 299f31d0', 'd16cfe09 94fdcceb 5001e420 24126ea1'],
] as const

const words = (hex: string) => hex.split(' ').map((word) => Number.parseInt(word, 16))
const range = (count: number) => Array.from({ length: count }, (_, i) => i)

/** Slow and obvious: the definition of the paper in bigints. */
function philoxInBigints(counter: number[], key: number[]): number[] {
  let [a, b, c, d] = counter.map(BigInt) as [bigint, bigint, bigint, bigint]
  let [k, l] = key.map(BigInt) as [bigint, bigint]
  const low = (x: bigint) => x & 0xffffffffn
  for (let round = 0; round < 10; round++) {
    const [left, right] = [a * 0xd2511f53n, c * 0xcd9e8d57n]
    ;[a, b, c, d] = [(right >> 32n) ^ b ^ k, low(right), (left >> 32n) ^ d ^ l, low(left)]
    ;[k, l] = [low(k + 0x9e3779b9n), low(l + 0xbb67ae85n)]
  }
  return [a, b, c, d].map(Number)
}

describe('philox', () => {
  it.each(published)('gives the published answer for counter %s, key %s', (counter, key, result) => {
    const out = new Uint32Array(4)
    philox(words(counter), words(key), out)
    expect([...out]).toEqual(words(result))
  })

  it('equals its definition in big integers', () => {
    const word = fc.nat(2 ** 32 - 1)
    fc.assert(
      fc.property(fc.tuple(word, word, word, word), fc.tuple(word, word), (counter, key) => {
        const out = new Uint32Array(4)
        philox(counter, key, out)
        expect([...out]).toEqual(philoxInBigints(counter, key))
      }),
      { seed: 1, numRuns: 300 },
    )
  })
})

describe('values', () => {
  it('of seed 0 are the published block', () => {
    const rng = createRng(0)
    expect(range(4).map((i) => rng.bits(i))).toEqual(words(published[0][2]))
  })

  it('put the seed in the key and the index in the counter', () => {
    const index = 4 * (5 * 2 ** 32 + 7) + 2
    const out = new Uint32Array(4)
    philox([7, 5, 0, 0], [0x89abcdef, 0x01234567], out)
    expect(createRng(0x0123456789abcdefn).bits(index)).toBe(out[2])
  })

  it('make a uniform of two words', () => {
    const rng = createRng(3)
    for (const i of [0, 1, 2, 1001]) {
      const wide = (BigInt(rng.bits(2 * i)) << 32n) | BigInt(rng.bits(2 * i + 1))
      expect(rng.uniformAt(i)).toBe(Number(wide >> 11n) / 2 ** 53)
    }
  })

  it('are the same for a number and a bigint', () => {
    expect(createRng(12).uniformAt(5)).toBe(createRng(12n).uniformAt(5))
    expect(createRng(12).seed).toBe(12n)
  })

  it('do not depend on what was read before', () => {
    const rng = createRng(9)
    const forward = range(100).map((i) => rng.normalAt(i))
    rng.permutation(5)
    const backward = range(100)
      .reverse()
      .map((i) => rng.normalAt(i))
    expect(backward.reverse()).toEqual(forward)
  })

  it('are the same one by one and in bulk, wherever the bulk starts', () => {
    const rng = createRng(4).fold('x')
    fc.assert(
      fc.property(fc.nat(2 ** 40), fc.nat(9), (offset, length) => {
        const at = range(length).map((j) => offset + j)
        expect([...rng.fillNormal(new Float32Array(length), offset)]).toEqual(at.map((i) => Math.fround(rng.normalAt(i))))
        const truncated = at.map((i) => Math.floor(rng.uniformAt(i) * 2 ** 24) / 2 ** 24)
        expect([...rng.fillUniform(new Float32Array(length), offset)]).toEqual(truncated)
      }),
      { seed: 1 },
    )
  })

  it('reach the last index', () => {
    const last = Number.MAX_SAFE_INTEGER
    const rng = createRng(1)
    expect(rng.uniformAt(last)).not.toBe(rng.uniformAt(last - 2))
    expect(rng.fillNormal(new Float32Array(1), last)[0]).toBe(Math.fround(rng.normalAt(last)))
  })
})

describe('fold', () => {
  it('is pure and leaves its parent alone', () => {
    const rng = createRng(5)
    const before = rng.uniformAt(0)
    expect(rng.fold('a').fold(2).uniformAt(7)).toBe(rng.fold('a').fold(2).uniformAt(7))
    expect(rng.uniformAt(0)).toBe(before)
    expect(rng.fold('a').fold(2).labels).toEqual(['a', 2])
  })

  it('gives another stream for every label and every order of labels', () => {
    const rng = createRng(5)
    const strings = ['', '\0', '\0\0', 'a', 'a\0', 'ab', 'ba', 'b', 'A', '1', '0', '-1', '\ud800', '\ud801', '\ufffd', 'abc', 'abd']
    const numbers = [0, 1, -1, 2 ** 32, 2 ** 32 + 1, -(2 ** 32), Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER]
    const streams = [rng, ...[...strings, ...numbers].map((label) => rng.fold(label))]
    streams.push(rng.fold('a').fold('b'), rng.fold('b').fold('a'), rng.fold('ab').fold(''), createRng(6).fold('a'))
    const first = streams.map((stream) => stream.uniformAt(0))
    expect(new Set(first).size).toBe(streams.length)
  })

  it('treats 0 and -0 alike', () => {
    expect(createRng(1).fold(-0).bits(0)).toBe(createRng(1).fold(0).bits(0))
  })
})

describe('statistics', () => {
  const count = 20_000

  it('uniforms fill 64 bins evenly, in every stream', () => {
    for (const label of range(5)) {
      const rng = createRng(1).fold(label)
      const bins = histogram(
        range(count).map((i) => Math.floor(rng.uniformAt(i) * 64)),
        64,
      )
      expect(chiSquare(bins, new Array(64).fill(count / 64))).toBeLessThan(chiSquareLimit(63))
    }
  })

  it('a biased generator would be noticed', () => {
    const rng = createRng(1)
    const bins = histogram(
      range(count).map((i) => Math.floor(rng.uniformAt(i) ** 1.1 * 64)),
      64,
    )
    expect(chiSquare(bins, new Array(64).fill(count / 64))).toBeGreaterThan(chiSquareLimit(63))
  })

  it('successive values are independent', () => {
    const rng = createRng(2)
    const pairs = histogram(
      range(count).map((i) => Math.floor(rng.uniformAt(2 * i) * 8) * 8 + Math.floor(rng.uniformAt(2 * i + 1) * 8)),
      64,
    )
    expect(chiSquare(pairs, new Array(64).fill(count / 64))).toBeLessThan(chiSquareLimit(63))
  })

  it('streams of neighbouring seeds and labels do not correlate', () => {
    const read = (rng: ReturnType<typeof createRng>) => rng.fillNormal(new Float32Array(count))
    const root = createRng(0)
    const streams = [root, createRng(1), createRng(2n ** 32n), root.fold(0), root.fold(1), root.fold('0'), root.fold(0).fold(0)]
    const values = streams.map(read)
    for (const [i, a] of values.entries()) {
      for (const b of values.slice(i + 1)) expect(Math.abs(correlation(a, b))).toBeLessThan(4 / Math.sqrt(count))
    }
  })

  it('normals have the moments and tails of a normal distribution', () => {
    const values = createRng(3).fillNormal(new Float32Array(100_000))
    expect(Math.abs(mean(values))).toBeLessThan(4 / Math.sqrt(100_000))
    expect(Math.abs(mean(values.map((x) => x * x)) - 1)).toBeLessThan(4 * Math.sqrt(2 / 100_000))
    expect(Math.abs(mean(values.map((x) => x ** 3)))).toBeLessThan(4 * Math.sqrt(15 / 100_000))
    // Deciles of the standard normal distribution, from tables.
    const deciles = [-1.281552, -0.841621, -0.524401, -0.253347, 0, 0.253347, 0.524401, 0.841621, 1.281552]
    const bins = histogram(
      Array.from(values, (x) => deciles.filter((d) => x > d).length),
      10,
    )
    expect(chiSquare(bins, new Array(10).fill(10_000))).toBeLessThan(chiSquareLimit(9))
    expect(values.filter((x) => Math.abs(x) > 3.290527).length / 100_000).toBeCloseTo(0.001, 3)
  })

  it('integers are even, also where most draws must be repeated', () => {
    const rng = createRng(4)
    const small = histogram(
      range(count).map((i) => rng.integerAt(i, 7)),
      7,
    )
    expect(chiSquare(small, new Array(7).fill(count / 7))).toBeLessThan(chiSquareLimit(6))
    // Half of all 53-bit draws lie beyond 2^52 + 1; taken modulo it they would make small results twice as likely.
    const below = 2 ** 52 + 1
    const large = range(count).map((i) => rng.integerAt(i, below))
    expect(Math.max(...large)).toBeLessThan(below)
    const bins = histogram(
      large.map((x) => Math.floor((x / below) * 16)),
      16,
    )
    expect(chiSquare(bins, new Array(16).fill(count / 16))).toBeLessThan(chiSquareLimit(15))
    expect(new Set(large).size).toBe(count)
  })

  it('all 24 orders of four are equally likely', () => {
    const seen = new Map<string, number>()
    for (let i = 0; i < 12_000; i++) {
      const order = createRng(5).fold(i).permutation(4).join()
      seen.set(order, (seen.get(order) ?? 0) + 1)
    }
    expect(seen.size).toBe(24)
    expect(chiSquare([...seen.values()], new Array(24).fill(500))).toBeLessThan(chiSquareLimit(23))
  })
})

describe('permutation', () => {
  it('holds every number once', () => {
    fc.assert(
      fc.property(fc.nat(200), fc.nat(), (count, seed) => {
        expect([...createRng(seed).permutation(count)].sort((a, b) => a - b)).toEqual(range(count))
      }),
      { seed: 1, numRuns: 50 },
    )
  })
})

describe('cursor', () => {
  it('reads the stream in order and continues from a position', () => {
    const rng = createRng(6)
    const cursor = rng.cursor()
    expect([cursor.uniform(), cursor.normal(), cursor.integer(10)]).toEqual([
      rng.uniformAt(0),
      rng.normalAt(1),
      rng.integerAt(2, 10),
    ])
    expect(cursor.position).toBe(3)
    const resumed = rng.cursor(cursor.position)
    expect(resumed.uniform()).toBe(cursor.uniform())
  })

  it('stays where it was when a reading is refused', () => {
    const cursor = createRng(6).cursor()
    expect(() => cursor.integer(0)).toThrow(OptionError)
    expect(cursor.position).toBe(0)
  })
})

describe('bad input', () => {
  const rng = createRng(1)
  it.each([-1, 0.5, Number.NaN, 2 ** 53, Number.POSITIVE_INFINITY])('refuses the index %s', (index) => {
    expect(() => rng.bits(index)).toThrow(OptionError)
    expect(() => rng.uniformAt(index)).toThrow(OptionError)
    expect(() => rng.normalAt(index)).toThrow(OptionError)
    expect(() => rng.integerAt(index, 2)).toThrow(OptionError)
    expect(() => rng.fillNormal(new Float32Array(2), index)).toThrow(OptionError)
    expect(() => rng.cursor(index)).toThrow(OptionError)
  })

  it.each([-1, 0.5, Number.NaN, 2 ** 53, -1n, 2n ** 64n, '1' as unknown as number])('refuses the seed %s', (seed) => {
    expect(() => createRng(seed)).toThrow(OptionError)
  })

  it('refuses labels, bounds and counts that are no integers', () => {
    expect(() => rng.fold(0.5)).toThrow(OptionError)
    expect(() => rng.fold({} as string)).toThrow(OptionError)
    for (const below of [0, -1, 1.5, Number.NaN, 2 ** 53]) expect(() => rng.integerAt(0, below)).toThrow(OptionError)
    for (const count of [-1, 1.5, Number.NaN, 2 ** 31]) expect(() => rng.permutation(count)).toThrow(OptionError)
    expect(() => rng.fillUniform(new Float32Array(2), Number.MAX_SAFE_INTEGER)).toThrow(OptionError)
  })
})
