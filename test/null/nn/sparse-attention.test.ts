import { describe, expect, it } from 'vitest'
import { OptionError, ShapeError } from '../../../src/base/errors.ts'
import { HeadMixer, type Mixing, softmaxMixing, sparseMixing } from '../../../src/nn/index.ts'
import { input, interpret } from '../../../src/tensor/index.ts'
import type { ReferenceValue } from '../../../src/tensor/tensor.ts'
import { expectNear, noise } from '../tensor/finite-differences.ts'
import { checkLayerGradients } from './check-gradients.ts'
import { dot, type Row, type Rows, rowsOf } from './oracle.ts'

type Heads = Readonly<Record<'query' | 'key' | 'value', ReferenceValue>>

const random = (queries: number, keys: number): Heads => ({
  query: noise('query', [2, 2, queries, 3]),
  key: noise('key', [2, 2, keys, 3]),
  value: noise('value', [2, 2, keys, 3]),
})

function mix(mixing: Mixing, heads: Heads): ReferenceValue {
  const [query, key, value] = (['query', 'key', 'value'] as const).map((name) => input(name, 'float32', heads[name].shape))
  return interpret([mixing(query!, key!, value!)], { inputs: { ...heads } })[0]!
}

/** Queries of which one in five is long: its attention is peaked. */
function peaked(length: number): Heads {
  const heads = { query: noise('q', [1, 1, length, 8]), key: noise('k', [1, 1, length, 8]), value: noise('v', [1, 1, length, 8]) }
  const size = (slot: number) => (slot % 5 === 2 ? 3 + (slot % 7) / 2 : 0.3)
  return { ...heads, query: { ...heads.query, data: heads.query.data.map((x, flat) => x * size(Math.floor(flat / 8))) } }
}

/** M of each query over all keys. */
function exactMeasure(query: Rows, key: Rows): number[] {
  return query.map((q) => {
    const scores = key.map((k) => dot(q, k))
    return Math.max(...scores) - scores.reduce((sum, score) => sum + score, 0) / key.length
  })
}

const largest = (values: readonly number[], count: number) =>
  [...values.keys()].sort((a, b) => values[b]! - values[a]!).slice(0, count)

describe('sparseMixing', () => {
  it.each([
    ['of slots among themselves', 12, 12, false],
    ['causal', 12, 12, true],
    ['of more queries than one group', 35, 35, true],
    ['of another sequence', 20, 7, false],
  ])('is full attention when every query may attend: %s', (_name, queries, keys, causal) => {
    const heads = random(queries, keys)
    expectNear(
      mix(sparseMixing({ factor: 50, seed: 1, causal }), heads).data,
      mix(softmaxMixing({ causal }), heads).data,
      'mixed',
      1e-5,
    )
  })

  it.each([false, true])('gives u queries their attention, the others the mean or running sum of values: causal %s', (causal) => {
    const heads = random(40, 40)
    const [sparse, full] = [mix(sparseMixing({ factor: 2, seed: 1, causal }), heads), mix(softmaxMixing({ causal }), heads)]
    for (const head of [0, 1, 2, 3]) {
      const [given, attended] = [sparse, full].map((of) => rowsOf(of, Math.floor(head / 2), head % 2)) as [Rows, Rows]
      const values = rowsOf(heads.value, Math.floor(head / 2), head % 2)
      const lazy = (slot: number) =>
        values[0]!.map((_, i) => values.slice(0, causal ? slot + 1 : 40).reduce((sum, v) => sum + v[i]!, 0) / (causal ? 1 : 40))
      const same = (a: Row, b: Row) => a.every((x, i) => Math.abs(x - b[i]!) < 1e-6)
      const attending = given.filter((row, slot) => same(row, attended[slot]!) && !same(row, lazy(slot)))
      const others = given.filter((row, slot) => same(row, lazy(slot)))
      // The first slot's attention to itself alone is its running sum.
      expect([attending.length, attending.length + others.length]).toEqual([others.length === 33 ? 7 : 8, 40])
    }
  })

  it('finds most of the queries that are the most peaked', () => {
    for (const [length, seed] of [
      [96, 1],
      [96, 2],
      [200, 3],
    ] as const) {
      const heads = peaked(length)
      const count = 3 * Math.ceil(Math.log(length))
      const best = new Set(largest(exactMeasure(rowsOf(heads.query, 0, 0), rowsOf(heads.key, 0, 0)), count))
      const [sparse, mean] = [mix(sparseMixing({ factor: 3, seed }), heads), rowsOf(heads.value, 0, 0)]
      const average = mean[0]!.map((_, i) => mean.reduce((sum, row) => sum + row[i]!, 0) / length)
      const chosen = [...rowsOf(sparse, 0, 0).entries()].filter(([, row]) => row.some((x, i) => Math.abs(x - average[i]!) > 1e-9))
      expect(chosen).toHaveLength(count)
      expect(chosen.filter(([slot]) => best.has(slot)).length).toBeGreaterThanOrEqual(0.7 * count)
    }
  })

  it('draws the same keys for a seed, and others for another', () => {
    const heads = random(60, 60)
    const of = (seed: number) => [...mix(sparseMixing({ factor: 1, seed }), heads).data]
    expect(of(5)).toEqual(of(5))
    expect(of(5)).not.toEqual(of(6))
  })

  it('never holds a score of every query with every key', () => {
    const shape = [1, 1, 512, 4]
    const of = () => input('x', 'float32', shape)
    const pending = [sparseMixing({ factor: 2, seed: 1, causal: true })(of(), of(), of())]
    const sizes = new Set<number>()
    for (let node = pending.pop(); node !== undefined; node = pending.pop()) {
      sizes.add(node.shape.reduce<number>((product, size) => product * (size as number), 1))
      pending.push(...node.inputs)
    }
    expect(Math.max(...sizes)).toBeLessThan(512 * 64)
  })

  it.each([false, true])('has the gradients of central differences: causal %s', (causal) => {
    const layer = new HeadMixer(4, { heads: 2, mixing: sparseMixing({ factor: 1, seed: 1, causal }) })
    checkLayerGradients(layer, (x) => layer.forward(x), [1, 6, 4], { most: 6, tolerance: 1e-5 })
  })

  it('refuses bad factors, seeds and options, and a causal view of other slots', () => {
    for (const factor of [0, -2, Number.NaN]) expect(() => sparseMixing({ factor, seed: 1 })).toThrow(OptionError)
    expect(() => sparseMixing({ factor: 5, seed: -1 })).toThrow(OptionError)
    expect(() => sparseMixing({ factor: 5 } as never)).toThrow(OptionError)
    expect(() => sparseMixing({ factor: 5, seed: 1, mask: true } as never)).toThrow(/unknown sparseMixing option 'mask'/)
    expect(() => mix(sparseMixing({ factor: 5, seed: 1, causal: true }), random(3, 4))).toThrow(ShapeError)
  })
})
