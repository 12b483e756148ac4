import { describe, expect, it } from 'vitest'
import type { HostTensor } from '../../../src/base/dtype.ts'
import { ContextError, OptionError } from '../../../src/base/errors.ts'
import { loadWeights, namedVariables, parameterCount } from '../../../src/nn/index.ts'
import { extendContext, loadSystem, systemForConfig, systemIds } from '../../../src/systems/index.ts'
import type { TextSystem } from '../../../src/systems/system.ts'
import { noise } from '../tensor/finite-differences.ts'
import { publishedConfigs } from './published-configs.ts'

type Options = Readonly<Record<string, unknown>>
const sizes = { vocabularySize: 23, context: 32, width: 16, layers: 2, heads: 4, hidden: 20, keyValueHeads: 2, headWidth: 4 }

/** The smallest options of a system. */
async function smallOf(id: string): Promise<{ system: TextSystem; options: Options }> {
  const system = await loadSystem(id)
  const preset = system.presets.tiny as Options
  const own = Object.entries(sizes).filter(([name]) => name in preset || name === 'vocabularySize')
  return { system, options: { ...preset, ...Object.fromEntries(own) } }
}

const scalings: readonly Options[] = [
  { kind: 'linear', factor: 4 },
  { kind: 'dynamic', factor: 2, original: 16 },
  { kind: 'yarn', factor: 4, original: 16 },
  { kind: 'yarn', factor: 4, original: 16, fast: 16, slow: 2, amplitude: 1.1, truncate: false },
  { kind: 'llama3', factor: 8, original: 16, low: 1, high: 4 },
  { kind: 'longrope', original: 16, short: [1, 1], long: [1, 9], amplitude: 1.2 },
]

describe('config.json', () => {
  const variants: [string, Options][] = [
    ...systemIds.map((id): [string, Options] => [id, {}]),
    ...scalings.map((rotaryScaling): [string, Options] => ['llama', { rotaryScaling }]),
    ['llama', { attentionBias: true, mlpBias: true, head: 'separate', rotaryShare: 0.5 }],
    ['mistral', { window: 7 }],
    ['qwen2', { window: 7, windowFrom: 1 }],
    ['qwen3', { attentionBias: true, window: 3, windowFrom: 0 }],
    ['gemma2', { globalEvery: 1, window: 3, queryScalar: 5, scoreCap: 7, logitCap: 9 }],
    ['gemma3', { globalEvery: 2, scoreCap: 7, logitCap: 9, localRotaryBase: 77, rotaryScaling: { kind: 'linear', factor: 8 } }],
    ['phi', { activation: 'relu', rotaryShare: 1, keyValueHeads: 2 }],
    ['phi3', { window: 5, rotaryShare: 0.75 }],
    ['gpt2', { activation: 'gelu', head: 'separate', hidden: 12 }],
    ['smollm3', { unplacedEvery: 2, attentionBias: true, mlpBias: true }],
  ]

  it.each(variants)('%s %j is read as it was written', async (id, changes) => {
    const { system, options } = await smallOf(id)
    const { rotaryShare, ...rest } = { ...options, ...changes } as Options
    const given = rotaryShare === undefined || rotaryShare === 1 ? rest : { ...rest, rotaryShare }
    const written = JSON.parse(JSON.stringify(system.writeConfig(given))) as Options
    expect((await systemForConfig(written)).id).toBe(id)
    expect(system.readConfig(written)).toEqual(given)
    expect(() => system.build(given)).not.toThrow()
  })

  it.each(publishedConfigs)('$name has as many parameters as were published', async ({ system: id, parameters, config }) => {
    const system = await systemForConfig(config)
    expect(system.id).toBe(id)
    const options = system.readConfig(config)
    expect(parameterCount(system.build(options))).toBe(parameters)
    expect(system.readConfig(system.writeConfig(options))).toEqual(options)
  })

  it('newer files keep rotations in rope_parameters', async () => {
    const llama = publishedConfigs[0]!.config
    const { rope_theta, rope_scaling, ...rest } = llama
    const newer = { ...rest, rope_parameters: { rope_theta, ...(rope_scaling as object) } }
    const system = await loadSystem('llama')
    expect(system.readConfig(newer)).toEqual(system.readConfig(llama))
    const gemma3 = await loadSystem('gemma3')
    const { rope_local_base_freq, rope_theta: base, rope_scaling: _none, ...others } = gemma3Config
    const full_attention = { rope_type: 'default', rope_theta: base }
    const sliding_attention = { rope_type: 'default', rope_theta: rope_local_base_freq }
    const layer_types = Array.from({ length: 26 }, (_, i) => ((i + 1) % 6 === 0 ? 'full_attention' : 'sliding_attention'))
    expect(gemma3.readConfig({ ...others, layer_types, rope_parameters: { full_attention, sliding_attention } })).toEqual(
      gemma3.readConfig(gemma3Config),
    )
  })

  const gemma3Config = publishedConfigs.find(({ system }) => system === 'gemma3')!.config as Options
  const refused: [string, string, Options, RegExp][] = [
    ['llama', 'an unknown activation', { hidden_act: 'mish' }, /hidden_act/],
    ['llama', 'another activation', { hidden_act: 'gelu' }, /hidden_act/],
    ['llama', 'an unknown scaling', { rope_scaling: { rope_type: 'spiral', factor: 2 } }, /rope_scaling "spiral"/],
    ['llama', 'a scaling without factor', { rope_scaling: { rope_type: 'linear' } }, /rope_scaling: factor/],
    ['llama', 'a scaling with an unknown field', { rope_scaling: { rope_type: 'linear', factor: 2, twist: 1 } }, /twist/],
    ['llama', 'a negative factor', { rope_scaling: { type: 'linear', factor: -2 } }, /factor/],
    ['llama', 'a scaling by name', { rope_scaling: 'linear' }, /rope_scaling/],
    ['llama', 'more rotation than there is', { partial_rotary_factor: 1.5 }, /partial_rotary_factor/],
    ['llama', 'weights that are quantised elsewhere', { quantization_config: { bits: 4 } }, /quantization_config/],
    ['llama', 'a billion layers', { num_hidden_layers: 1e9 }, /num_hidden_layers/],
    ['llama', 'half a head', { num_attention_heads: 0.5 }, /num_attention_heads/],
    ['llama', 'a context that is no number', { max_position_embeddings: '4096' }, /max_position_embeddings/],
    ['mistral', 'a window of nothing', { sliding_window: 0 }, /sliding_window/],
    [
      'qwen2',
      'windows here and there',
      { use_sliding_window: true, layer_types: ['sliding_attention', 'full_attention'] },
      /layer_types/,
    ],
    ['qwen3', 'unknown kinds of layers', { layer_types: ['chunked_attention'] }, /layer_types/],
    ['gemma', 'another activation', { hidden_activation: 'silu' }, /hidden_activation/],
    ['gemma2', 'biases', { attention_bias: true }, /attention_bias/],
    ['gemma3', 'sight in both directions', { use_bidirectional_attention: true }, /use_bidirectional_attention/],
    [
      'gemma3',
      'layers without order',
      { layer_types: ['full_attention', 'full_attention', 'sliding_attention'].concat(Array(23).fill('full_attention')) },
      /layer_types/,
    ],
    ['phi', 'norms of heads', { qk_layernorm: true }, /qk_layernorm/],
    ['phi3', 'biases', { attention_bias: true }, /attention_bias/],
    ['gpt2', 'scores by layer', { scale_attn_by_inverse_layer_idx: true }, /scale_attn_by_inverse_layer_idx/],
    ['smollm3', 'too few layers in a list', { no_rope_layers: [1, 0] }, /no_rope_layers/],
  ]
  it.each(refused)('%s refuses %s', async (id, _what, changes, message) => {
    const system = await loadSystem(id)
    const { config } = publishedConfigs.find((published) => published.system === id)!
    const attempt = () => system.readConfig({ ...config, ...changes })
    expect(attempt).toThrow(OptionError)
    expect(attempt).toThrow(message)
  })

  it('heads that do not divide the width are refused when the model is built', async () => {
    const system = await loadSystem('llama')
    const { head_dim, ...config } = {
      head_dim: 0,
      ...publishedConfigs[0]!.config,
      num_attention_heads: 48,
      num_key_value_heads: 48,
    }
    expect(() => system.build(system.readConfig(config))).toThrow(OptionError)
  })
})

describe('extendContext', () => {
  it('refuses what lies beyond the trained context, unless a scaling reaches it', async () => {
    const { options } = (await smallOf('llama')) as unknown as { options: Parameters<typeof extendContext>[0] }
    expect(extendContext(options, { context: 20 })).toEqual({ ...options, context: 20 })
    expect(() => extendContext(options, { context: 33 })).toThrow(ContextError)
    const rotaryScaling = { kind: 'yarn', factor: 2, original: 32 } as const
    expect(extendContext(options, { context: 64, rotaryScaling })).toEqual({ ...options, context: 64, rotaryScaling })
    expect(() => extendContext(options, { context: 65, rotaryScaling })).toThrow(ContextError)
    expect(extendContext(options, { context: 64, rotaryScaling: { kind: 'linear', factor: 2 } }).context).toBe(64)
    expect(extendContext(options, { context: 999, rotaryScaling: { kind: 'dynamic', factor: 2, original: 32 } }).context).toBe(999)
    // A model that came stretched knows no more than it says.
    const stretched = { ...options, rotaryScaling: { kind: 'linear', factor: 2 } } as const
    expect(() => extendContext(stretched, { context: 64 })).toThrow(ContextError)
    expect(() => extendContext(options, { context: 0 })).toThrow(OptionError)
    expect(() => extendContext(options, { length: 3 } as never)).toThrow(OptionError)
  })
})

describe('public checkpoints', () => {
  const tensor = (name: string, ...shape: number[]): HostTensor => ({
    dtype: 'float32',
    shape,
    data: Float32Array.from(noise(name, shape).data),
  })
  const { width, hidden, vocabularySize, context } = sizes

  async function load(id: string, tensors: Readonly<Record<string, HostTensor>>) {
    const { system, options } = await smallOf(id)
    const network = system.build(options)
    await loadWeights(network, new Map(Object.entries(tensors)), (key) => system.place?.(key, options) ?? [{ name: key }])
    const read = async (name: string) => [...((await namedVariables(network).get(name)!.read()) as Float32Array)]
    return { read }
  }

  it.each(['transformer.', ''])("GPT-2's, with names that begin with '%s'", async (prefix) => {
    const layer = (i: number) => ({
      [`${prefix}h.${i}.attn.bias`]: tensor('mask', 1, 1, context, context),
      [`${prefix}h.${i}.attn.c_attn.weight`]: tensor(`fused ${i}`, width, 3 * width),
      [`${prefix}h.${i}.attn.c_attn.bias`]: tensor(`fused bias ${i}`, 3 * width),
      [`${prefix}h.${i}.attn.c_proj.weight`]: tensor('out', width, width),
      [`${prefix}h.${i}.attn.c_proj.bias`]: tensor('b', width),
      [`${prefix}h.${i}.mlp.c_fc.weight`]: tensor(`up ${i}`, width, hidden),
      [`${prefix}h.${i}.mlp.c_fc.bias`]: tensor('b', hidden),
      [`${prefix}h.${i}.mlp.c_proj.weight`]: tensor('down', hidden, width),
      [`${prefix}h.${i}.mlp.c_proj.bias`]: tensor('b', width),
      ...norm(`${prefix}h.${i}.ln_1`),
      ...norm(`${prefix}h.${i}.ln_2`),
    })
    const norm = (name: string) => ({ [`${name}.weight`]: tensor(name, width), [`${name}.bias`]: tensor('b', width) })
    const { read } = await load('gpt2', {
      [`${prefix}wte.weight`]: tensor('wte', vocabularySize, width),
      [`${prefix}wpe.weight`]: tensor('wpe', context, width),
      ...layer(0),
      ...layer(1),
      ...norm(`${prefix}ln_f`),
      'lm_head.weight': tensor('wte', vocabularySize, width),
    })
    const fused = tensor('fused 1', width, 3 * width).data as Float32Array
    const key = await read('model.layers.1.self_attn.k_proj.weight')
    // Row of the output channel, column of the input channel.
    for (const [output, input] of [
      [0, 0],
      [3, 7],
      [15, 14],
    ] as const)
      expect(key[output * width + input]).toBe(fused[input * 3 * width + width + output])
    const biases = [...(tensor('fused bias 0', 3 * width).data as Float32Array)]
    expect(await read('model.layers.0.self_attn.v_proj.bias')).toEqual(biases.slice(2 * width))
    const up = tensor('up 0', width, hidden).data as Float32Array
    expect((await read('model.layers.0.mlp.up_proj.weight'))[2 * width + 5]).toBe(up[5 * hidden + 2])
    expect(await read('model.positions.weight')).toEqual([...(tensor('wpe', context, width).data as Float32Array)])
  })

  it("Phi 3's fused matrices", async () => {
    const layer = (i: number) => ({
      [`model.layers.${i}.self_attn.qkv_proj.weight`]: tensor(`qkv ${i}`, 32, width),
      [`model.layers.${i}.self_attn.o_proj.weight`]: tensor('o', width, width),
      [`model.layers.${i}.mlp.gate_up_proj.weight`]: tensor(`gate up ${i}`, 2 * hidden, width),
      [`model.layers.${i}.mlp.down_proj.weight`]: tensor('down', width, hidden),
      [`model.layers.${i}.input_layernorm.weight`]: tensor('norm', width),
      [`model.layers.${i}.post_attention_layernorm.weight`]: tensor('norm', width),
    })
    const { read } = await load('phi3', {
      'model.embed_tokens.weight': tensor('embed', vocabularySize, width),
      ...layer(0),
      ...layer(1),
      'model.norm.weight': tensor('norm', width),
      'lm_head.weight': tensor('head', vocabularySize, width),
    })
    const rows = (name: string, count: number, start: number, end: number) =>
      [...(tensor(name, count, width).data as Float32Array)].slice(start * width, end * width)
    expect(await read('model.layers.1.self_attn.q_proj.weight')).toEqual(rows('qkv 1', 32, 0, 16))
    expect(await read('model.layers.1.self_attn.k_proj.weight')).toEqual(rows('qkv 1', 32, 16, 24))
    expect(await read('model.layers.0.self_attn.v_proj.weight')).toEqual(rows('qkv 0', 32, 24, 32))
    expect(await read('model.layers.0.mlp.gate_proj.weight')).toEqual(rows('gate up 0', 2 * hidden, 0, hidden))
    expect(await read('model.layers.1.mlp.up_proj.weight')).toEqual(rows('gate up 1', 2 * hidden, hidden, 2 * hidden))
  })

  it("Phi's names", async () => {
    const linear = (name: string, outputs: number, inputs: number) => ({
      [`${name}.weight`]: tensor(name, outputs, inputs),
      [`${name}.bias`]: tensor(`${name} bias`, outputs),
    })
    const norm = (name: string) => ({ [`${name}.weight`]: tensor(name, width), [`${name}.bias`]: tensor('b', width) })
    const layer = (i: number) => ({
      ...norm(`model.layers.${i}.input_layernorm`),
      ...linear(`model.layers.${i}.self_attn.q_proj`, 16, width),
      ...linear(`model.layers.${i}.self_attn.k_proj`, 8, width),
      ...linear(`model.layers.${i}.self_attn.v_proj`, 8, width),
      ...linear(`model.layers.${i}.self_attn.dense`, width, 16),
      ...linear(`model.layers.${i}.mlp.fc1`, hidden, width),
      ...linear(`model.layers.${i}.mlp.fc2`, width, hidden),
    })
    const { read } = await load('phi', {
      'model.embed_tokens.weight': tensor('embed', vocabularySize, width),
      ...layer(0),
      ...layer(1),
      ...norm('model.final_layernorm'),
      ...linear('lm_head', vocabularySize, width),
    })
    const values = (name: string, ...shape: number[]) => [...(tensor(name, ...shape).data as Float32Array)]
    expect(await read('model.layers.0.self_attn.o_proj.weight')).toEqual(values('model.layers.0.self_attn.dense', width, 16))
    expect(await read('lm_head.bias')).toEqual(values('lm_head bias', vocabularySize))
    expect(await read('model.norm.weight')).toEqual(values('model.final_layernorm', width))
  })
})
