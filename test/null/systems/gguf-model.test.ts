import { describe, expect, it } from 'vitest'
import { memorySource } from '../../../src/base/byte-source.ts'
import { FormatError, OptionError } from '../../../src/base/errors.ts'
import type { StoredTensor } from '../../../src/base/stored-tensor.ts'
import type { GgufValue } from '../../../src/formats/index.ts'
import { ggufModel, systemForConfig } from '../../../src/systems/index.ts'

const sizes = {
  block_count: 2,
  embedding_length: 16,
  context_length: 64,
  feed_forward_length: 24,
  'attention.head_count': 4,
  'attention.head_count_kv': 2,
  'attention.layer_norm_rms_epsilon': 1e-5,
}

function file(architecture: string, fields: Readonly<Record<string, GgufValue | undefined>> = {}, tensors: string[] = []) {
  const named = Object.entries({ ...sizes, ...fields }).map(([field, value]) => [`${architecture}.${field}`, value] as const)
  const given = [['general.architecture', architecture] as const, ...named].filter(([, value]) => value !== undefined)
  const stored = (shape: number[]): StoredTensor => ({
    type: 'float32',
    shape,
    source: memorySource(new Uint8Array(0), 'nothing'),
    byteOffset: 0,
    byteLength: 0,
  })
  return {
    metadata: new Map(given as [string, GgufValue][]),
    tensors: new Map([...tensors, 'token_embd.weight'].map((name) => [name, stored([300, 16])])),
  }
}

describe('ggufModel', () => {
  it('gives the configuration that a model folder would have', async () => {
    const { config } = ggufModel(file('llama', { 'rope.freq_base': 500, 'rope.dimension_count': 2 }, ['output.weight']))
    const system = await systemForConfig(config)
    expect(system.id).toBe('llama')
    expect(system.readConfig(config)).toEqual({
      vocabularySize: 300,
      context: 64,
      width: 16,
      layers: 2,
      heads: 4,
      keyValueHeads: 2,
      headWidth: 4,
      hidden: 24,
      normEpsilon: 1e-5,
      rotaryBase: 500,
      rotaryShare: 0.5,
      head: 'separate',
    })
  })

  it.each([
    ['rope.scaling.type', { 'rope.scaling.type': 'linear', 'rope.scaling.factor': 2 }, { kind: 'linear', factor: 2 }],
    ['an old factor', { 'rope.scale_linear': 3 }, { kind: 'linear', factor: 3 }],
    ['no scaling by name', { 'rope.scaling.type': 'none', 'rope.scaling.factor': 2 }, undefined],
    [
      'yarn',
      { 'rope.scaling.type': 'yarn', 'rope.scaling.factor': 4, 'rope.scaling.original_context_length': 16 },
      { kind: 'yarn', factor: 4, original: 16 },
    ],
  ])('scalings: %s', async (_name, fields, expected) => {
    const { config } = ggufModel(file('llama', fields))
    const options = (await systemForConfig(config)).readConfig(config) as { rotaryScaling?: unknown }
    expect(options.rotaryScaling).toEqual(expected)
  })

  it('undoes the reordering of rows that rotation by neighbours needs', () => {
    const { place } = ggufModel(file('llama'))
    // The converter splits each head's rows into halves and takes one of each in turn.
    const [heads, half] = [4, 2]
    const original = Array.from({ length: heads * 2 * half }, (_, row) => row)
    const converted = Array.from({ length: heads }, (_, head) =>
      Array.from({ length: half }, (_, j) => [0, 1].map((part) => original[head * 2 * half + part * half + j]!)),
    ).flat(2)
    const [{ name, order }] = place('blk.1.attn_q.weight') as [{ name: string; order: Uint32Array }]
    expect(name).toBe('model.layers.1.self_attn.q_proj.weight')
    expect([...order].map((row) => converted[row])).toEqual(original)
    expect(place('blk.0.attn_k.bias')[0]!.order).toHaveLength(8)
    expect(place('blk.0.attn_v.weight')).toEqual([{ name: 'model.layers.0.self_attn.v_proj.weight' }])
    expect(ggufModel(file('qwen2')).place('blk.0.attn_q.weight')[0]!.order).toBeUndefined()
  })

  it('shifts the norms of Gemma, cuts fused matrices, and leaves unknown names alone', () => {
    const gemma = ggufModel(file('gemma2')).place
    expect(gemma('blk.0.ffn_norm.weight')).toEqual([{ name: 'model.layers.0.pre_feedforward_layernorm.weight', add: -1 }])
    expect(gemma('output_norm.weight')).toEqual([{ name: 'model.norm.weight', add: -1 }])
    const phi3 = ggufModel(file('phi3')).place
    expect(phi3('blk.0.attn_qkv.weight').map(({ rows }) => rows)).toEqual([
      [0, 16],
      [16, 24],
      [24, 32],
    ])
    expect(phi3('blk.0.ffn_up.weight').map(({ rows }) => rows)).toEqual([
      [0, 24],
      [24, 48],
    ])
    for (const name of ['blk.0.ffn_gate_exps.weight', 'constructor.weight', 'blk.x.attn_q.weight', ''])
      expect(phi3(name)).toEqual([{ name }])
    expect(phi3('rope_freqs.weight')).toEqual([])
  })

  it.each([
    ['no architecture', { ...file('llama'), metadata: new Map() }, FormatError, /general\.architecture/],
    ['an unknown architecture', file('toString'), OptionError, /"toString" is not supported; expected one of llama/],
    ['no layers', file('llama', { block_count: undefined }), FormatError, /llama\.block_count is missing/],
    ['a negative width', file('llama', { embedding_length: -16 }), FormatError, /llama\.embedding_length is -16/],
    ['heads by layer', file('llama', { 'attention.head_count': new Uint32Array([4, 2]) }), FormatError, /head_count is a list/],
    ['a base by name', file('llama', { 'rope.freq_base': 'big' }), FormatError, /rope\.freq_base is big/],
    ['a scaling by number', file('llama', { 'rope.scaling.type': 3 }), FormatError, /rope\.scaling\.type is 3/],
    [
      'an unknown scaling',
      file('llama', { 'rope.scaling.type': 'spiral', 'rope.scaling.factor': 2 }),
      OptionError,
      /"spiral" is not supported/,
    ],
    ['parts of channels', file('llama', { 'attention.head_count': 3 }), FormatError, /3 and 2 heads of 5\.3/],
    ['heads wider than any', file('llama', { 'attention.key_length': 1e9 }), FormatError, /heads of 1000000000/],
    ['no key-value heads', file('llama', { 'attention.head_count_kv': 0 }), FormatError, /head_count_kv is 0/],
    ['experts', file('llama', { expert_count: 8 }), OptionError, /experts/],
    ['values wider than keys', file('llama', { 'attention.value_length': 8 }), OptionError, /differ in width/],
    ['a size beyond 2^53', file('llama', { context_length: 2n ** 60n }), FormatError, /context_length is 1152921504606846976/],
  ])('refuses %s', (_name, gguf, kind, message) => {
    expect(() => ggufModel(gguf)).toThrow(kind)
    expect(() => ggufModel(gguf)).toThrow(message)
  })

  it('absurd sizes are refused when the configuration is read', async () => {
    const { config } = ggufModel(file('llama', { block_count: 1e9 }))
    const system = await systemForConfig(config)
    expect(() => system.readConfig(config)).toThrow(/num_hidden_layers/)
  })
})
