import { describe, expect, it } from 'vitest'
import { categoricalHead, tiedHead } from '../../../src/heads/index.ts'
import {
  disposeModule,
  freeze,
  gelu,
  Linear,
  layerNorm,
  learned,
  namedVariables,
  nameVariables,
  ones,
  parameterCount,
  parameters,
  placesIn,
  Transformer,
  unfreeze,
  zeros,
} from '../../../src/nn/index.ts'
import { variable } from '../../../src/tensor/index.ts'

class Model {
  readonly model = new Transformer({
    vocabularySize: 11,
    context: 5,
    width: 4,
    layers: 2,
    attention: { heads: 2 },
    mlp: gelu(6),
    norm: layerNorm({ bias: false }),
    positions: learned(),
    bias: zeros,
  })
  readonly lm_head
  constructor(tied: boolean) {
    this.lm_head = tied ? tiedHead(this.model.embed_tokens) : categoricalHead(4, 11)
  }
}

const layer = ['q_proj', 'k_proj', 'v_proj', 'o_proj'].map((name) => `self_attn.${name}`)
const blockNames = [
  'input_layernorm.weight',
  ...layer.flatMap((name) => [`${name}.weight`, `${name}.bias`]),
  'post_attention_layernorm.weight',
  ...['up_proj', 'down_proj'].flatMap((name) => [`mlp.${name}.weight`, `mlp.${name}.bias`]),
]
const backboneNames = [
  'model.embed_tokens.weight',
  'model.positions.weight',
  ...[0, 1].flatMap((i) => blockNames.map((name) => `model.layers.${i}.${name}`)),
  'model.norm.weight',
]
// Per block: two norms of 4, four 4×4 projections with biases, 4→6 and 6→4 with biases.
const backboneCount = 11 * 4 + 5 * 4 + 2 * (2 * 4 + 4 * (16 + 4) + (24 + 6) + (24 + 4)) + 4

describe('namedVariables', () => {
  it('are named as public checkpoints name them', () => {
    expect([...namedVariables(new Model(false)).keys()]).toEqual([...backboneNames, 'lm_head.weight'])
  })

  it('count tied weights once', () => {
    const [tied, separate] = [new Model(true), new Model(false)]
    expect([...namedVariables(tied).keys()]).toEqual(backboneNames)
    expect(parameterCount(tied)).toBe(backboneCount)
    expect(parameterCount(separate)).toBe(backboneCount + 4 * 11)
  })

  it('have the first path where they are reached twice, also through cycles', () => {
    class Shared {
      readonly first = new Linear(2, 3)
      readonly again = [this.first, new Linear(1, 1)]
      readonly alias = this.first.weight
      readonly self: object = this
    }
    const shared = new Shared()
    expect([...namedVariables(shared).keys()]).toEqual(['first.weight', 'again.1.weight'])
    expect(parameters(shared)).toHaveLength(2)
    expect([...placesIn(shared)].map(({ path }) => path)).toEqual([
      'first',
      'first.weight',
      'again',
      'again.0',
      'again.1',
      'again.1.weight',
      'alias',
      'self',
    ])
  })

  it('are found in a record of modules, but not in the records, views and maps that modules hold', () => {
    const own = new Linear(2, 2)
    class WithOptions {
      readonly layer = own
      readonly options = { layer: new Linear(1, 1) }
      readonly cache = new Map([['layer', new Linear(1, 1)]])
      readonly table = new Float32Array(3)
      readonly nothing = null
    }
    const module = new WithOptions()
    expect([...namedVariables(module).keys()]).toEqual(['layer.weight'])
    expect([...namedVariables({ backbone: module, head: new Linear(2, 3) }).keys()]).toEqual([
      'backbone.layer.weight',
      'head.weight',
    ])
    expect([...namedVariables([module]).keys()]).toEqual(['0.layer.weight'])
  })
})

it('nameVariables gives every variable its path', () => {
  const model = new Model(true)
  nameVariables(model)
  expect([...namedVariables(model).values()].map(({ name }) => name)).toEqual(backboneNames)
})

describe('parameters', () => {
  class Mixed {
    readonly scale = variable({ shape: [2, 3], trainable: true, initializer: ones })
    readonly running = variable({ shape: [4] })
  }

  it('are the trainable variables', () => {
    const module = new Mixed()
    expect(parameters(module)).toEqual([module.scale])
    expect(parameterCount(module)).toBe(6)
  })

  it('lack what is frozen, until it is not', () => {
    const model = new Model(false)
    const isEmbedding = (name: string) => name.includes('embed')
    expect(freeze(model, isEmbedding)).toEqual([model.model.embed_tokens.weight])
    expect(freeze(model, isEmbedding)).toEqual([])
    expect(parameters(model)).not.toContain(model.model.embed_tokens.weight)
    expect(parameterCount(model)).toBe(backboneCount)
    expect(freeze(model)).toHaveLength(namedVariables(model).size - 1)
    expect(parameters(model)).toEqual([])
    unfreeze(model)
    expect(parameterCount(model)).toBe(backboneCount + 44)
    const mixed = new Mixed()
    expect(freeze(mixed)).toEqual([mixed.scale])
    expect(mixed.running.frozen).toBe(false)
  })
})

it('disposeModule frees every variable, and may be called again', async () => {
  const linear = new Linear(2, 2)
  const weight = namedVariables(linear).get('weight')!
  await weight.write(new Float32Array(4))
  await disposeModule(linear)
  await disposeModule(linear)
  await expect(weight.read()).rejects.toThrow(/was disposed/)
})
