import { describe, expect, it } from 'vitest'
import { OptionError } from '../../../src/base/errors.ts'
import { autoCorrelationMixing, HeadMixer } from '../../../src/nn/index.ts'
import { input, interpret } from '../../../src/tensor/index.ts'
import type { ReferenceValue } from '../../../src/tensor/tensor.ts'
import { expectNear, noise } from '../tensor/finite-differences.ts'
import { checkLayerGradients } from './check-gradients.ts'
import { type Rows, rowsOf } from './oracle.ts'

interface Heads {
  readonly query: ReferenceValue
  readonly key: ReferenceValue
  readonly value: ReferenceValue
}

function mix(heads: Heads, factor: number): ReferenceValue {
  const [query, key, value] = (['query', 'key', 'value'] as const).map((name) => input(name, 'float32', heads[name].shape))
  const mixed = autoCorrelationMixing({ factor })(query!, key!, value!)
  expect(mixed.shape).toEqual(heads.query.shape)
  return interpret([mixed], { inputs: { ...heads } })[0]!
}

const random = (queries: number, keys: number): Heads => ({
  query: noise('query', [2, 2, queries, 3]),
  key: noise('key', [2, 2, keys, 3]),
  value: noise('value', [2, 2, keys, 3]),
})

/** R(τ) of one sample by its definition. */
function correlations(queries: readonly Rows[], keys: readonly Rows[]): number[] {
  const length = queries[0]!.length
  return Array.from({ length }, (_, lag) => {
    let sum = 0
    for (const [head, rows] of keys.entries())
      for (const [t, row] of rows.slice(0, length).entries())
        for (const [channel, k] of row.entries()) sum += queries[head]![(t + lag) % length]![channel]! * k
    return sum / (queries.length * queries[0]![0]!.length)
  })
}

/** The lags with the largest R and their shares. */
function shares(r: readonly number[], count: number): [lag: number, share: number][] {
  const best = [...r.keys()].sort((a, b) => r[b]! - r[a]!).slice(0, count)
  const weights = best.map((lag) => Math.exp(r[lag]! - r[best[0]!]!))
  const total = weights.reduce((sum, weight) => sum + weight)
  return best.map((lag, i) => [lag, weights[i]! / total])
}

function naive({ query, key, value }: Heads, factor: number): number[] {
  const [batch, heads, length, width] = query.shape as [number, number, number, number]
  const count = Math.floor(factor * Math.log(length))
  return Array.from({ length: batch }, (_, row) => {
    const of = (tensor: ReferenceValue) => Array.from({ length: heads }, (_, head) => rowsOf(tensor, row, head))
    const chosen = shares(correlations(of(query), of(key)), count)
    const values = of(value)
    const at = (head: number, t: number, channel: number) =>
      chosen.reduce((sum, [lag, share]) => sum + share * (values[head]![(t + lag) % length]?.[channel] ?? 0), 0)
    return Array.from({ length: heads * length * width }, (_, flat) =>
      at(Math.floor(flat / (length * width)), Math.floor(flat / width) % length, flat % width),
    )
  }).flat()
}

describe('autoCorrelationMixing', () => {
  it.each([
    ['as many keys', 12, 12, 1.5],
    ['all lags but few', 10, 10, 4],
    ['fewer keys, followed by zeros', 12, 9, 2],
    ['more keys, which are cut', 8, 13, 2],
    ['a long series', 264, 264, 1],
  ])('is its definition: %s', (_name, queries, keys, factor) => {
    const heads = random(queries, keys)
    expectNear(mix(heads, factor).data, naive(heads, factor), 'mixed', 1e-4)
  })

  it('a wave of period 24: all lags are multiples of 24, and the wave stays as it is', () => {
    const data = Float64Array.from(
      { length: 96 },
      (_, t) => Math.sin((2 * Math.PI * t) / 24) + 0.1 * Math.cos((2 * Math.PI * t) / 12),
    )
    const wave = { shape: [1, 1, 96, 1], data }
    const lags = shares(correlations([rowsOf(wave, 0, 0)], [rowsOf(wave, 0, 0)]), 4).map(([lag]) => lag)
    expect(lags.every((lag) => lag % 24 === 0)).toBe(true)
    const mixed = mix({ query: wave, key: wave, value: wave }, 4.2 / Math.log(96))
    expectNear(mixed.data, data, 'mixed', 1e-5)
    // Values that are not periodic show which steps were read.
    const ramp = { shape: wave.shape, data: Float64Array.from({ length: 96 }, (_, t) => t) }
    const { data: read } = mix({ query: wave, key: wave, value: ramp }, 1.1 / Math.log(96))
    expect(Math.abs(read[0]! / 24 - Math.round(read[0]! / 24))).toBeLessThan(1e-4)
  })

  it('turns with series that are turned round the circle', () => {
    const heads = random(12, 12)
    const turn = (tensor: ReferenceValue, by: number): ReferenceValue => ({
      shape: tensor.shape,
      data: tensor.data.map(
        (_, flat) => tensor.data[flat + 3 * (((Math.floor(flat / 3) + by) % 12) - (Math.floor(flat / 3) % 12))]!,
      ),
    })
    const all = mix({ query: turn(heads.query, 5), key: turn(heads.key, 5), value: turn(heads.value, 5) }, 2)
    expectNear(all.data, turn(mix(heads, 2), 5).data, 'turned', 1e-5)
  })

  it('has the gradients of central differences', () => {
    const layer = new HeadMixer(4, { heads: 2, mixing: autoCorrelationMixing({ factor: 2 }) })
    checkLayerGradients(layer, (x) => layer.forward(x), [2, 6, 4], { most: 6, tolerance: 1e-5 })
  })

  it('refuses more lags than steps, none, and unknown options', () => {
    const of = (length: number) => input('x', 'float32', [1, 1, length, 2])
    const apply = (factor: number, length: number) => autoCorrelationMixing({ factor })(of(length), of(length), of(length))
    expect(() => apply(4, 6)).toThrow(OptionError)
    expect(() => apply(0.1, 6)).toThrow(OptionError)
    for (const factor of [0, -1, Number.NaN, Number.POSITIVE_INFINITY])
      expect(() => autoCorrelationMixing({ factor })).toThrow(OptionError)
    expect(() => autoCorrelationMixing({ factor: 1, lags: 3 } as never)).toThrow(/unknown autoCorrelationMixing option 'lags'/)
  })
})
