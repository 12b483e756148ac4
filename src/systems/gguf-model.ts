import { FormatError, OptionError } from '../base/errors.ts'
import type { Placement } from '../base/placement.ts'
import type { Gguf } from '../formats/index.ts'
import { GgufFields } from './gguf-metadata.ts'
import { type GgufLayout, type GgufSizes, ggufPlaces } from './gguf-places.ts'

/** A GGUF file's network as a model folder would describe it. */
export interface GgufModel {
  /** A config.json. */
  readonly config: Readonly<Record<string, unknown>>
  /** What variables get of a tensor. */
  readonly place: (name: string) => readonly Placement[]
}

/** The values of the `ggufFactorTensors` that a file has, by name. */
export type GgufFactors = ReadonlyMap<string, ArrayLike<number>>

interface Architecture {
  readonly modelType: string
  readonly layout: GgufLayout
  /** Fields of its config.json besides those that all have. */
  readonly own: (file: OpenFile) => Readonly<Record<string, unknown>>
}

interface OpenFile {
  readonly fields: GgufFields
  readonly headWidth: number
  readonly has: (tensor: string) => boolean
}

const rmsNorm = ({ fields }: OpenFile) => ({ rms_norm_eps: fields.number('attention.layer_norm_rms_epsilon') })
const biases = ({ has }: OpenFile) => ({ attention_bias: has('blk.0.attn_q.bias'), mlp_bias: has('blk.0.ffn_gate.bias') })

/** The largest models of a family divide queries by √(width / heads); files do not say so. */
function queryScalar({ fields, headWidth }: OpenFile, largest: number): number {
  const isLargest = fields.count('block_count') === largest
  return isLargest ? fields.count('embedding_length') / fields.count('attention.head_count') : headWidth
}

const gemma = (file: OpenFile, layersOfLargest: number) => ({
  ...rmsNorm(file),
  query_pre_attn_scalar: queryScalar(file, layersOfLargest),
  attn_logit_softcapping: file.fields.number('attn_logit_softcapping'),
  final_logit_softcapping: file.fields.number('final_logit_softcapping'),
  sliding_window: file.fields.number('attention.sliding_window'),
})

const architectures: Readonly<Record<string, Architecture>> = {
  llama: { modelType: 'llama', layout: { interleaved: true }, own: (file) => ({ ...rmsNorm(file), ...biases(file) }) },
  smollm3: { modelType: 'smollm3', layout: { interleaved: true }, own: (file) => ({ ...rmsNorm(file), ...biases(file) }) },
  qwen2: { modelType: 'qwen2', layout: {}, own: rmsNorm },
  qwen3: { modelType: 'qwen3', layout: {}, own: (file) => ({ ...rmsNorm(file), attention_bias: file.has('blk.0.attn_q.bias') }) },
  gemma: { modelType: 'gemma', layout: { normOffset: 1 }, own: rmsNorm },
  gemma2: { modelType: 'gemma2', layout: { normOffset: 1, sandwich: true }, own: (file) => gemma(file, 46) },
  gemma3: {
    modelType: 'gemma3_text',
    layout: { normOffset: 1, sandwich: true },
    own: (file) => ({
      ...gemma(file, 62),
      rope_local_base_freq: file.fields.number('rope.freq_base_swa'),
      sliding_window_pattern: file.fields.number('attention.sliding_window_pattern'),
    }),
  },
  phi2: { modelType: 'phi', layout: {}, own: ({ fields }) => ({ layer_norm_eps: fields.number('attention.layer_norm_epsilon') }) },
  phi3: {
    modelType: 'phi3',
    layout: { fusedGate: true },
    own: (file) => ({ ...rmsNorm(file), sliding_window: file.fields.number('attention.sliding_window') }),
  },
  gpt2: {
    modelType: 'gpt2',
    layout: {},
    own: ({ fields }) => ({ layer_norm_epsilon: fields.number('attention.layer_norm_epsilon') }),
  },
}

/**
 * What a GGUF file's metadata say of its network. Throws OptionError on an architecture or a kind of rotation that is not supported,
 * FormatError where sizes are missing or no sizes.
 */
export function ggufModel({ metadata, tensors }: Pick<Gguf, 'metadata' | 'tensors'>, factors: GgufFactors = new Map()): GgufModel {
  const fields = new GgufFields(metadata)
  const architecture = Object.hasOwn(architectures, fields.architecture) ? architectures[fields.architecture] : undefined
  if (architecture === undefined) {
    throw new OptionError(`GGUF: architecture ${JSON.stringify(fields.architecture).slice(0, 100)} is not supported`, {
      expected: `one of ${Object.keys(architectures).join(', ')}`,
    })
  }
  if ((fields.number('expert_count') ?? 0) > 0)
    throw new OptionError('GGUF: mixtures of experts are not supported', { expected: 'a dense model' })
  const sizes = sizesOf(fields)
  const file: OpenFile = { fields, headWidth: sizes.headWidth, has: (tensor) => tensors.has(tensor) }
  const vocabularySize = tensors.get('token_embd.weight')?.shape[0] ?? fields.count('vocab_size')
  const common = { model_type: architecture.modelType, vocab_size: vocabularySize, tie_word_embeddings: !file.has('output.weight') }
  const named = fields.architecture === 'gpt2' ? gpt2Fields(fields) : rotaryDecoderFields(fields, sizes, factors)
  return {
    config: { ...common, ...defined({ ...named, ...architecture.own(file) }) },
    place: ggufPlaces(sizes, architecture.layout),
  }
}

/** Channels of all heads together: orders of rows are made before weights are read. */
const widest = 2 ** 24

function sizesOf(fields: GgufFields): GgufSizes {
  const heads = fields.count('attention.head_count')
  const headWidth = fields.number('attention.key_length') ?? fields.count('embedding_length') / heads
  if ((fields.number('attention.value_length') ?? headWidth) !== headWidth) {
    throw new OptionError('GGUF: heads whose keys and values differ in width are not supported', { expected: 'equal widths' })
  }
  const keyValueHeads = fields.number('attention.head_count_kv') === undefined ? heads : fields.count('attention.head_count_kv')
  if (!Number.isInteger(headWidth) || headWidth < 1 || Math.max(heads, keyValueHeads) * headWidth > widest) {
    throw new FormatError(`GGUF: ${heads} and ${keyValueHeads} heads of ${headWidth} channels`, {
      expected: `whole channels, ${widest} at most`,
    })
  }
  return { heads, keyValueHeads, headWidth, hidden: fields.count('feed_forward_length') }
}

function gpt2Fields(fields: GgufFields): Readonly<Record<string, unknown>> {
  return {
    n_positions: fields.count('context_length'),
    n_embd: fields.count('embedding_length'),
    n_layer: fields.count('block_count'),
    n_head: fields.count('attention.head_count'),
    n_inner: fields.count('feed_forward_length'),
  }
}

function rotaryDecoderFields(fields: GgufFields, sizes: GgufSizes, factors: GgufFactors): Readonly<Record<string, unknown>> {
  const rotated = fields.number('rope.dimension_count')
  return {
    hidden_size: fields.count('embedding_length'),
    intermediate_size: sizes.hidden,
    num_hidden_layers: fields.count('block_count'),
    num_attention_heads: sizes.heads,
    num_key_value_heads: sizes.keyValueHeads,
    head_dim: sizes.headWidth,
    max_position_embeddings: fields.count('context_length'),
    rope_theta: fields.number('rope.freq_base') ?? 10000,
    partial_rotary_factor: rotated === undefined ? undefined : rotated / sizes.headWidth,
    rope_scaling: scalingOf(fields, factors),
  }
}

function scalingOf(fields: GgufFields, factors: GgufFactors): Readonly<Record<string, unknown>> | undefined {
  const original = fields.number('rope.scaling.original_context_length')
  const [all, short, long] = ['rope_freqs.weight', 'rope_factors_short.weight', 'rope_factors_long.weight'].map((name) =>
    factors.get(name),
  )
  if (all !== undefined || (short !== undefined && long !== undefined)) {
    return defined({
      rope_type: 'longrope',
      short_factor: Array.from((all ?? short)!),
      long_factor: Array.from((all ?? long)!),
      original_max_position_embeddings: original,
      attention_factor: all === undefined ? fields.number('rope.scaling.attn_factor') : 1,
    })
  }
  const type = fields.text('rope.scaling.type')
  const factor = fields.number('rope.scaling.factor') ?? fields.number('rope.scale_linear')
  if (type === 'none' || factor === undefined || factor === 0) return undefined
  if (type === 'yarn') {
    const attention_factor = fields.number('rope.scaling.attn_factor')
    return defined({ rope_type: 'yarn', factor, original_max_position_embeddings: original, attention_factor })
  }
  if (type === undefined || type === 'linear') return { rope_type: 'linear', factor }
  throw new OptionError(`GGUF: rotary scaling ${JSON.stringify(type).slice(0, 100)} is not supported`, {
    expected: "'none', 'linear' or 'yarn'",
  })
}

/** Without the fields that a file does not have. */
function defined(fields: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))
}
