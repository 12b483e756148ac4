import { describe, expect, it } from 'vitest'
import { NonFiniteError, OptionError } from '../../../src/base/errors.ts'
import { createRng } from '../../../src/base/rng.ts'
import { categoricalHead, tiedHead } from '../../../src/heads/index.ts'
import {
  initialize,
  Linear,
  layerNorm,
  learned,
  namedVariables,
  nearest,
  QuantizedMatrix,
  quantizeModule,
  roundWeights,
  swiglu,
  Transformer,
  widenWeights,
} from '../../../src/nn/index.ts'
import { Variable } from '../../../src/tensor/index.ts'
import { LowRankLinear } from '../../../src/train/low-rank-linear.ts'

const format = { bits: 4, blockSize: 16 } as const

class Model {
  readonly model = new Transformer({
    vocabularySize: 11,
    context: 5,
    width: 24,
    layers: 2,
    attention: { heads: 2 },
    mlp: swiglu(20),
    norm: layerNorm(),
    positions: learned(),
  })
  readonly lm_head
  constructor(tied: boolean) {
    this.lm_head = tied ? tiedHead(this.model.embed_tokens) : categoricalHead(24, 11)
  }
}

async function initialized(tied = true): Promise<Model> {
  const model = new Model(tied)
  await initialize(model, createRng(4))
  return model
}

describe('quantizeModule', () => {
  it('takes the matrices of layers, embeddings and heads, and leaves the rest', async () => {
    const model = await initialized(false)
    const before = new Map(namedVariables(model))
    const reports = await quantizeModule(model, format)
    const names = reports.map(({ name }) => name)
    expect(names).toEqual([...before.keys()].filter((name) => /(proj|embed_tokens|lm_head)\.weight$/.test(name)))
    for (const [name, variable] of namedVariables(model)) {
      const matrix = name.replace(/\.(blocks|scales)$/, '')
      expect(names.includes(matrix), name).toBe(matrix !== name)
      expect(variable.name).toBe(name)
    }
    for (const name of names) await expect(before.get(name)!.read()).rejects.toThrow(/was disposed/)
  })

  it('gives each the codes nearest to its weights, and says how far those are', async () => {
    const layer = new Linear(40, 3)
    await initialize(layer, createRng(5))
    const weights = (await (layer.weight as Variable).read()) as Float32Array
    const [report] = await quantizeModule(layer, format)
    const expected = roundWeights(weights, 3, 40, format)
    expect(await (layer.weight as unknown as QuantizedMatrix).read()).toEqual(expected)
    const rounded = widenWeights(expected, 40)
    const squares = (of: (weight: number, i: number) => number) => weights.reduce((sum, weight, i) => sum + of(weight, i) ** 2, 0)
    const error = Math.sqrt(squares((weight, i) => rounded[i]! - weight) / squares((weight) => weight))
    expect(report).toMatchObject({ name: 'weight', shape: [3, 40], bytes: { before: 480, after: 3 * 3 * (8 + 4) } })
    expect(report!.relativeError).toBeCloseTo(error, 6)
  })

  it('puts one matrix in every place of a weight', async () => {
    const model = await initialized(true)
    const shared = new Linear(16, 16)
    class Twice {
      readonly a = shared
      readonly b = Object.assign(new Linear(16, 16), { weight: shared.weight })
    }
    const twice = new Twice()
    await initialize(twice, createRng(1))
    expect(await quantizeModule(twice, format)).toHaveLength(1)
    expect(twice.a.weight).toBeInstanceOf(QuantizedMatrix)
    expect(twice.b.weight).toBe(twice.a.weight)
    expect((await quantizeModule(model, format)).map(({ name }) => name)).not.toContain('lm_head.weight')
  })

  it('keeps a weight that something else needs as it is', async () => {
    class Norms {
      readonly layer = new Linear(16, 16)
      readonly watched = this.layer.weight
      readonly other = new Linear(16, 2)
    }
    const model = new Norms()
    await initialize(model, createRng(1))
    expect((await quantizeModule(model, format)).map(({ name }) => name)).toEqual(['other.weight'])
    expect(model.layer.weight).toBeInstanceOf(Variable)
  })

  it('goes part by part, tells of every matrix, and stops between them', async () => {
    const model = await initialized(false)
    const parts: string[][] = []
    const method = {
      ...nearest(),
      prepare: (weights: readonly Variable[]) => {
        parts.push(weights.map(({ name }) => name))
        return nearest().prepare(weights)
      },
    }
    const told: [number, number, string][] = []
    const controller = new AbortController()
    const onProgress = (done: number, total: number, name: string) => {
      told.push([done, total, name])
      if (done === 3) controller.abort()
    }
    const run = quantizeModule(model, { ...format, method, onProgress, signal: controller.signal })
    await expect(run).rejects.toThrow(/aborted/)
    expect(told.map(([done, total]) => [done, total])).toEqual([1, 2, 3].map((done) => [done, 16]))
    expect(parts).toEqual([
      ['model.embed_tokens.weight'],
      [...namedVariables(await initialized(false)).keys()].filter((name) => /layers\.0\..*proj\.weight/.test(name)),
    ])
    expect(namedVariables(model).has('model.layers.1.mlp.up_proj.weight')).toBe(true)
  })

  it('refuses weights that are not finite, by name, before anything changes', async () => {
    const model = await initialized()
    const name = 'model.layers.1.mlp.down_proj.weight'
    await namedVariables(model)
      .get(name)!
      .write(new Float32Array(24 * 20).fill(Number.NaN, 7, 8))
    const run = quantizeModule(model, format)
    await expect(run).rejects.toThrow(NonFiniteError)
    await expect(run).rejects.toThrow(`${name}: value 7 is NaN`)
    expect(model.model.embed_tokens.weight).toBeInstanceOf(Variable)
  })

  it('refuses adapters, empty selections, and options that it does not have', async () => {
    class Adapted {
      readonly layer = new LowRankLinear(new Linear(16, 16), 16, 1, () => new Float32Array(256))
    }
    await expect(quantizeModule(new Adapted(), format)).rejects.toThrow(/merge or remove adapters before quantising/)
    const model = await initialized()
    await expect(quantizeModule(model, { ...format, selects: () => false })).rejects.toThrow(/some of model\.embed_tokens\.weight/)
    await expect(quantizeModule(model, { bits: 4, blockSize: 20 })).rejects.toThrow(OptionError)
    await expect(quantizeModule(model, { ...format, group: 16 } as never)).rejects.toThrow(/unknown quantizeModule option 'group'/)
    await expect(quantizeModule(model, { ...format, clip: 'hard' as never })).rejects.toThrow(OptionError)
  })
})
