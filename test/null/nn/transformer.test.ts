import { describe, expect, it } from 'vitest'
import { ContextError, OptionError, ShapeError } from '../../../src/base/errors.ts'
import type { Plan } from '../../../src/base/model.ts'
import { and, evaluate, everything, role } from '../../../src/base/visibility.ts'
import { tiedHead } from '../../../src/heads/index.ts'
import {
  type AttentionOptions,
  constantColumns,
  gatedMlp,
  gelu,
  layerNorm,
  learned,
  type Past,
  parallel,
  plainMlp,
  rmsNorm,
  rotary,
  sandwich,
  sliding,
  type Transformer,
  type TransformerOptions,
  unplaced,
  zeros,
} from '../../../src/nn/index.ts'
import { teacherForced } from '../../../src/objectives/index.ts'
import { raster } from '../../../src/orders/index.ts'
import { constant, expand, geluTanh, interpret, scalar, type Tensor } from '../../../src/tensor/index.ts'
import { expectNear } from '../tensor/finite-differences.ts'
import { type NaiveLayer, type NaiveStyle, NaiveTransformer } from './naive-transformer.ts'
import { erfOf, geluTanhOf, layerNormRow, randomVariables, rmsNormRow, rotateRow, rowsOf, turnRow } from './oracle.ts'
import { groupByGroup, plans, sizes, slots, someIds, tinyTransformer } from './stepwise.ts'

const batch = 2
const planNames = Object.keys(plans)

const idsOf = (values: readonly number[]) => constant(values, [values.length / slots, slots], 'int32')

function full(backbone: Transformer, plan: Plan, ids: readonly number[]): Tensor {
  return teacherForced({ backbone, head: tiedHead(backbone.embed_tokens) }, plan, idsOf(ids))
}

/** Two backbones' worth of architecture: everything that systems choose between. */
const architectures: Readonly<Record<string, Partial<TransformerOptions>>> = {
  'llama-like': {},
  'gpt-like': { attention: { heads: 2 }, mlp: gelu(6), norm: layerNorm(), positions: learned(), bias: zeros },
  'sliding windows in one layer': {
    attention: (layer) => ({ heads: 2, keyValueHeads: 1, ...(layer === 0 && { narrow: sliding(2) }) }),
  },
}

describe.each(planNames)('a %s plan', (name) => {
  const plan = plans[name]!

  it.each(Object.entries(architectures))('computed whole equals computed group by group: %s', (_name, options) => {
    const backbone = tinyTransformer(options)
    const { variables } = randomVariables(backbone)
    const ids = someIds(batch)
    const [whole, stepped] = interpret([full(backbone, plan, ids), groupByGroup(backbone, plan, idsOf(ids))], {
      inputs: {},
      variables,
    })
    expect(whole!.shape).toEqual([batch, slots, sizes.width])
    expectNear(stepped!.data, whole!.data, 'hidden states', 1e-9)
  })

  it('equals loops over layers, heads and slots', () => {
    const attention: AttentionOptions = { heads: 4, keyValueHeads: 2 }
    const bits = evaluate(plan.visibility, plan)
    const layer = { attention, sees: (q: number, k: number) => bits[q * slots + k] === 1 }
    expectNaive({ attention }, plan, [layer, layer])
  })

  it('no slot notices a token that it does not see, through whatever others; those that do, notice', () => {
    const backbone = tinyTransformer()
    const { variables } = randomVariables(backbone)
    const hidden = (ids: readonly number[]) => rowsOf(interpret([full(backbone, plan, ids)], { inputs: {}, variables })[0]!, 0)
    const ids = someIds(1)
    const before = hidden(ids)
    const reached = closure(plan)
    for (let changed = 0; changed < slots; changed++) {
      const after = hidden(ids.with(changed, (ids[changed]! + 1) % sizes.vocabularySize))
      for (let slot = 0; slot < slots; slot++) {
        const notices = before[slot]!.some((value, channel) => value !== after[slot]![channel])
        expect(notices, `slot ${slot}, token ${changed}`).toBe(reached(slot, changed))
      }
    }
  })
})

/** Does a slot see another, through any number of slots between them? */
function closure(plan: Plan): (query: number, key: number) => boolean {
  const bits = evaluate(plan.visibility, plan)
  for (let via = 0; via < slots; via++) {
    for (let q = 0; q < slots; q++) {
      for (let k = 0; k < slots; k++) bits[q * slots + k]! |= bits[q * slots + via]! & bits[via * slots + k]!
    }
  }
  return (query, key) => query === key || bits[query * slots + key] === 1
}

function expectNaive(
  options: Partial<TransformerOptions>,
  plan: Plan,
  layers: readonly NaiveLayer[],
  style: Partial<NaiveStyle> = {},
): void {
  const backbone = tinyTransformer({ ...options, layers: layers.length })
  const { variables, byName } = randomVariables(backbone)
  const ids = someIds(batch)
  const [hidden] = interpret([full(backbone, plan, ids)], { inputs: {}, variables })
  const naive = new NaiveTransformer(byName, style)
  for (let row = 0; row < batch; row++) {
    const expected = naive.forward(ids.slice(row * slots, (row + 1) * slots), plan.position[0]!, layers)
    expectNear(rowsOf(hidden!, row).flat(), expected.flat(), `row ${row}`, 1e-6)
  }
}

it('attention may differ from layer to layer', () => {
  const options: AttentionOptions[] = [
    { heads: 4, keyValueHeads: 1, narrow: sliding(2) },
    { heads: 2, headWidth: 6 },
    { heads: 4, keyValueHeads: 2, narrow: and(sliding(4), role('key', 'clean')) },
  ]
  const reach = [2, slots, 4]
  const layers = options.map((attention, layer) => ({ attention, sees: (q: number, k: number) => k <= q && q - k < reach[layer]! }))
  expectNaive({ attention: (layer) => options[layer]! }, plans.causal!, layers)
})

describe('variants equal loops over layers, heads and slots', () => {
  const before = (q: number, k: number) => k <= q
  const { causal } = plans as { causal: Plan }

  it('GPT-2: layer norms, biases, learned positions', () => {
    const attention = { heads: 2 }
    const options = { attention, mlp: gelu(6), norm: layerNorm({ epsilon: 1e-3 }), positions: learned(), bias: zeros }
    const layer = { attention, sees: before }
    expectNaive(options, causal, [layer, layer], {
      rotate: (row) => row,
      norm: (row, weight, bias) => layerNormRow(row, weight, bias!, 1e-3),
      activation: (x) => (x / 2) * (1 + erfOf(x / Math.SQRT2)),
    })
  })

  it('Phi: attention beside the MLP, part of each head rotated', () => {
    const attention = { heads: 2 }
    const options: Partial<TransformerOptions> = {
      attention,
      mlp: plainMlp(6, geluTanh),
      norm: layerNorm(),
      positions: rotary({ base: 40, share: 0.5 }),
      residual: parallel,
      bias: zeros,
    }
    const layer = { attention, sees: before }
    expectNaive(options, causal, [layer, layer], {
      rotate: (row, position) => turnRow(row, position, [1]),
      norm: (row, weight, bias) => layerNormRow(row, weight, bias!, 1e-5),
      activation: geluTanhOf,
      residual: 'parallel',
    })
  })

  it('Gemma 2: sandwiched, scaled, capped, with windows in one layer', () => {
    const whole: AttentionOptions = { heads: 4, keyValueHeads: 2, headWidth: 6, scale: 0.7, softCap: 0.8 }
    const near = { ...whole, narrow: sliding(3) }
    const options: Partial<TransformerOptions> = {
      attention: (layer) => [near, whole][layer]!,
      mlp: gatedMlp(10, geluTanh),
      norm: rmsNorm({ offset: 1 }),
      residual: sandwich,
      embeddingScale: Math.sqrt(8),
    }
    const sees = (q: number, k: number) => k <= q && q - k < 3
    expectNaive(
      options,
      causal,
      [
        { attention: near, sees },
        { attention: whole, sees: before },
      ],
      {
        norm: (row, weight) =>
          rmsNormRow(
            row,
            weight.map((w) => w + 1),
            1e-5,
          ),
        activation: geluTanhOf,
        residual: 'sandwich',
        embeddingScale: Math.sqrt(8),
      },
    )
  })

  it('Qwen 3, SmolLM 3, Gemma 3: heads normed, layers rotated by other bases or not at all', () => {
    const attention: AttentionOptions = { heads: 4, keyValueHeads: 2, headWidth: 4, queryKeyNorm: rmsNorm() }
    const layers = [
      { ...attention, positions: rotary({ base: 7 }) },
      { ...attention, positions: unplaced() },
      { ...attention, bias: zeros },
    ]
    const rotations = [(row: readonly number[], at: number) => rotateRow(row, at, 7), (row: readonly number[]) => row]
    const naive = layers.map((attention, i) => ({ attention, sees: before, ...(rotations[i] && { rotate: rotations[i] }) }))
    expectNaive({ attention: (layer) => layers[layer]! }, causal, naive)
  })

  it('gpt-oss: logits of sinks, alone and behind capped scores', () => {
    const sunk: AttentionOptions = { heads: 4, keyValueHeads: 2, sinks: zeros, outputBias: zeros }
    const layers = [sunk, { ...sunk, softCap: 2, narrow: sliding(2) }]
    const naive = layers.map((attention, i) => ({ attention, sees: (q: number, k: number) => k <= q && q - k < (i ? 2 : slots) }))
    expectNaive({ attention: (layer) => layers[layer]! }, causal, naive)
  })
})

it('every slot may see every other', () => {
  const layer = { attention: { heads: 2 }, sees: () => true }
  expectNaive({ attention: layer.attention }, { ...plans.causal!, visibility: everything }, [layer, layer])
})

it('places of a cache that hold nothing yet change nothing', () => {
  const backbone = tinyTransformer()
  const { variables } = randomVariables(backbone)
  const plan = plans.causal!
  const columns = constantColumns(plan)
  const position = constant(Int32Array.from(plan.position[0]!), [1, slots], 'int32')
  const slotsNow = { embedded: backbone.embed(idsOf(someIds(batch)), position), position, columns, visibility: everything }
  const stale = (shape: number[]) => expand(scalar(1e4, 'float32'), shape)
  const past: Past = {
    kind: 'plain',
    columns: constantColumns(raster().plan({ parts: [{ shape: [5] }] })),
    valid: constant(new Uint8Array(5), [1, 5], 'bool'),
    layers: Array.from({ length: sizes.layers }, () => ({ key: stale([batch, 2, 5, 2]), value: stale([batch, 2, 5, 2]) })),
  }
  const [without, with_] = interpret([backbone.forward(slotsNow).hidden, backbone.forward({ ...slotsNow, past }).hidden], {
    inputs: {},
    variables,
  })
  expect(with_!.data).toEqual(without!.data)
})

describe('what does not fit is refused', () => {
  const bad: [string, Partial<TransformerOptions>][] = [
    ['no layers', { layers: 0 }],
    ['half a layer', { layers: 1.5 }],
    ['no context', { context: 0 }],
    ['a vocabulary of negative size', { vocabularySize: -1 }],
    ['an unknown width', { width: Number.NaN }],
    ['an unsafe width', { width: 2 ** 53 }],
    ['heads that do not divide the width', { attention: { heads: 3 } }],
    ['bad heads in one layer', { attention: (layer) => ({ heads: 4 - layer }) }],
    ['a scale of 0', { attention: { heads: 2, scale: 0 } }],
    ['a negative cap', { attention: { heads: 2, softCap: -1 } }],
    ['an endless embedding scale', { embeddingScale: Number.POSITIVE_INFINITY }],
    ['learned positions in one layer', { attention: { heads: 2, positions: learned() } }],
    ['an unknown option', { dropout: 0.1 } as object],
    ['an unknown option of attention', { attention: { heads: 2, window: 4 } as AttentionOptions }],
    ['an unknown option of one layer', { attention: (layer) => ({ heads: 2, ...(layer === 1 && { window: 1 }) }) }],
  ]
  it.each(bad)('%s', (_name, options) => {
    expect(() => tinyTransformer(options)).toThrow(OptionError)
  })

  it('heads of odd width with rotary positions', () => {
    const backbone = tinyTransformer({ attention: { heads: 8 } })
    expect(() => full(backbone, plans.causal!, someIds(1))).toThrow(/even width/)
  })

  it('plans that are longer than the context, or of several channels, and ids that do not fit them', () => {
    const plan = plans.causal!
    expect(() => full(tinyTransformer({ context: 6 }), plan, someIds(1))).toThrow(ContextError)
    expect(() => full(tinyTransformer({ context: 3 }), plans.packed!, someIds(1))).not.toThrow()
    expect(() => full(tinyTransformer(), { ...plan, channels: [plan] }, someIds(1))).toThrow(OptionError)
    const predictor = { backbone: tinyTransformer(), head: tiedHead(tinyTransformer().embed_tokens) }
    const short = constant([1, 2, 3], [1, 3], 'int32')
    expect(() => teacherForced(predictor, plan, short)).toThrow(ShapeError)
    expect(() => teacherForced(predictor, plan, constant(someIds(1), [slots], 'int32'))).toThrow(ShapeError)
  })
})
