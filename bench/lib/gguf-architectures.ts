import type { GgufValue } from './gguf-values.ts'

export type GgufArchitecture = 'llama' | 'qwen2' | 'qwen3' | 'gemma' | 'gemma2' | 'gemma3' | 'gpt2' | 'phi2' | 'phi3'

/** Sizes of a network, as its file's metadata give them. */
export interface GgufModel {
  readonly architecture: GgufArchitecture
  readonly contextLength: number
  readonly width: number
  readonly layers: number
  readonly heads: number
  /** Default: as many as heads. */
  readonly keyValueHeads?: number
  /** Default: width / heads. */
  readonly headWidth?: number
  /** Inner width of the feed-forward layers. */
  readonly hidden: number
  readonly vocabularySize: number
  /** Without a matrix of its own for the output; gemma never has one. Default: false. */
  readonly tiedHead?: boolean
  /** Default: 10000. */
  readonly ropeBase?: number
  /** Rotated numbers of a head. Default: all; for phi2 the half. */
  readonly rotated?: number
  /** Positions a layer sees, for gemma2, gemma3 and phi3. Default for gemma2 and gemma3: half of the context. */
  readonly slidingWindow?: number
}

/** What random numbers a tensor holds: a matrix of deviation 1/√columns, factors around 1, or offsets around 0. */
export type TensorRole = 'matrix' | 'embedding' | 'output' | 'positions' | 'scale' | 'bias'

export interface TensorPlan {
  readonly name: string
  /** Rows and columns, or the length. */
  readonly shape: readonly number[]
  readonly role: TensorRole
}

interface Traits {
  readonly norm: 'rms' | 'layer'
  /** Norms of queries and keys per head. */
  readonly headNorms?: boolean
  /** Norms of what attention and feed-forward give, before they are added. */
  readonly postNorms?: boolean
  /** Q, K and V in one matrix. */
  readonly packed?: boolean
  readonly biases?: 'all' | 'query-key-value'
  readonly feedForward: 'gated' | 'gated-packed' | 'plain'
  /** One norm feeds attention and feed-forward alike. */
  readonly parallel?: boolean
  readonly learnedPositions?: boolean
  readonly tied?: boolean
}

const traits: Readonly<Record<GgufArchitecture, Traits>> = {
  llama: { norm: 'rms', feedForward: 'gated' },
  qwen2: { norm: 'rms', feedForward: 'gated', biases: 'query-key-value' },
  qwen3: { norm: 'rms', feedForward: 'gated', headNorms: true },
  gemma: { norm: 'rms', feedForward: 'gated', tied: true },
  gemma2: { norm: 'rms', feedForward: 'gated', postNorms: true, tied: true },
  gemma3: { norm: 'rms', feedForward: 'gated', headNorms: true, postNorms: true, tied: true },
  gpt2: { norm: 'layer', feedForward: 'plain', packed: true, biases: 'all', learnedPositions: true },
  phi2: { norm: 'layer', feedForward: 'plain', packed: true, biases: 'all', parallel: true },
  phi3: { norm: 'rms', feedForward: 'gated-packed', packed: true },
}

/** The sizes with their defaults. */
export function resolveModel(model: GgufModel) {
  const { architecture, width, heads, keyValueHeads = heads, contextLength } = model
  const headWidth = model.headWidth ?? width / heads
  const rotated = model.rotated ?? (architecture === 'phi2' ? headWidth / 2 : headWidth)
  const windowed = architecture === 'gemma2' || architecture === 'gemma3'
  const slidingWindow = model.slidingWindow ?? (windowed ? contextLength / 2 : undefined)
  const tied = model.tiedHead === true || traits[architecture].tied === true
  return { ...model, keyValueHeads, headWidth, rotated, slidingWindow, tied, ropeBase: model.ropeBase ?? 10000 }
}

/** The `<architecture>.*` records. */
export function architectureMetadata(model: GgufModel): Readonly<Record<string, GgufValue>> {
  const { architecture, norm, ...sizes } = { ...resolveModel(model), norm: traits[model.architecture].norm }
  const numbers: Record<string, number | undefined> = {
    context_length: sizes.contextLength,
    embedding_length: sizes.width,
    block_count: sizes.layers,
    feed_forward_length: sizes.hidden,
    vocab_size: sizes.vocabularySize,
    'attention.head_count': sizes.heads,
    'attention.head_count_kv': sizes.keyValueHeads,
    'attention.key_length': sizes.headWidth,
    'attention.value_length': sizes.headWidth,
    'attention.sliding_window': sizes.slidingWindow,
    'rope.dimension_count': architecture === 'gpt2' ? undefined : sizes.rotated,
  }
  const fractions: Record<string, number | undefined> = {
    [norm === 'rms' ? 'attention.layer_norm_rms_epsilon' : 'attention.layer_norm_epsilon']: 1e-5,
    'rope.freq_base': architecture === 'gpt2' ? undefined : sizes.ropeBase,
    attn_logit_softcapping: architecture === 'gemma2' ? 50 : undefined,
    final_logit_softcapping: architecture === 'gemma2' ? 30 : undefined,
  }
  return { ...records(architecture, 'u32', numbers), ...records(architecture, 'f32', fractions) }
}

function records(architecture: string, type: 'u32' | 'f32', values: Readonly<Record<string, number | undefined>>) {
  const given = Object.entries(values).filter((entry): entry is [string, number] => entry[1] !== undefined)
  return Object.fromEntries(given.map(([key, value]) => [`${architecture}.${key}`, { type, value }] as const))
}

/** Every tensor, in the order in which files have them. */
export function architectureTensors(model: GgufModel): TensorPlan[] {
  const sizes = resolveModel(model)
  const { vocabularySize, width, contextLength, architecture } = sizes
  const { norm, learnedPositions, biases } = traits[architecture]
  const plans: TensorPlan[] = [{ name: 'token_embd.weight', shape: [vocabularySize, width], role: 'embedding' }]
  if (learnedPositions) plans.push({ name: 'position_embd.weight', shape: [contextLength, width], role: 'positions' })
  for (let layer = 0; layer < sizes.layers; layer++) plans.push(...layerTensors(sizes, `blk.${layer}`))
  plans.push(...normTensors('output_norm', width, norm))
  if (!sizes.tied) plans.push({ name: 'output.weight', shape: [vocabularySize, width], role: 'output' })
  if (architecture === 'phi2' && biases === 'all') plans.push({ name: 'output.bias', shape: [vocabularySize], role: 'bias' })
  return plans
}

function normTensors(name: string, width: number, norm: 'rms' | 'layer'): TensorPlan[] {
  const scale = { name: `${name}.weight`, shape: [width], role: 'scale' } as const
  return norm === 'rms' ? [scale] : [scale, { name: `${name}.bias`, shape: [width], role: 'bias' }]
}

function layerTensors(sizes: ReturnType<typeof resolveModel>, prefix: string): TensorPlan[] {
  const { width } = sizes
  const { norm, headNorms, postNorms, packed, biases, feedForward, parallel } = traits[sizes.architecture]
  const [queries, keys] = [sizes.heads * sizes.headWidth, sizes.keyValueHeads * sizes.headWidth]
  const matrix = (part: string, rows: number, columns: number, biased: boolean): TensorPlan[] => [
    { name: `${prefix}.${part}.weight`, shape: [rows, columns], role: 'matrix' },
    ...(biased ? [{ name: `${prefix}.${part}.bias`, shape: [rows], role: 'bias' } as const] : []),
  ]
  const some = biases !== undefined
  const every = biases === 'all'
  const projections = packed
    ? matrix('attn_qkv', queries + 2 * keys, width, some)
    : [['q', queries] as const, ['k', keys] as const, ['v', keys] as const].flatMap(([part, rows]) =>
        matrix(`attn_${part}`, rows, width, some),
      )
  const first = feedForward === 'gated' ? matrix('ffn_gate', sizes.hidden, width, every) : []
  const up = feedForward === 'gated-packed' ? 2 * sizes.hidden : sizes.hidden
  return [
    ...normTensors(`${prefix}.attn_norm`, width, norm),
    ...projections,
    ...(headNorms ? ['q', 'k'].flatMap((part) => normTensors(`${prefix}.attn_${part}_norm`, sizes.headWidth, norm)) : []),
    ...matrix('attn_output', width, queries, every),
    ...(postNorms ? normTensors(`${prefix}.post_attention_norm`, width, norm) : []),
    ...(parallel ? [] : normTensors(`${prefix}.ffn_norm`, width, norm)),
    ...first,
    ...matrix('ffn_up', up, width, every),
    ...matrix('ffn_down', width, sizes.hidden, every),
    ...(postNorms ? normTensors(`${prefix}.post_ffw_norm`, width, norm) : []),
  ]
}
