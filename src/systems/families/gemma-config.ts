import * as v from 'valibot'
import { gatedMlp, rmsNorm, type TransformerOptions } from '../../nn/index.ts'
import { count, positive } from '../read-config.ts'
import {
  type AttentionSizes,
  activations,
  type DecoderOptions,
  decoderFields,
  decoderSizes,
  everyNth,
  normEpsilonField,
  readActivation,
  refuseField,
  refuseOthers,
} from './decoder-config.ts'

/** Fields of Gemma's config.json files. */
export const gemmaFields = {
  ...decoderFields,
  rms_norm_eps: normEpsilonField,
  hidden_activation: v.optional(v.nullable(v.string())),
  attention_bias: v.optional(v.boolean()),
  query_pre_attn_scalar: v.optional(positive, 256),
  attn_logit_softcapping: v.optional(v.nullable(positive)),
  final_logit_softcapping: v.optional(v.nullable(positive)),
  sliding_window: v.optional(v.nullable(count)),
  layer_types: v.optional(v.nullable(v.array(v.picklist(['full_attention', 'sliding_attention'])))),
  sliding_window_pattern: v.optional(count),
  _sliding_window_pattern: v.optional(count),
  use_bidirectional_attention: v.optional(v.nullable(v.boolean())),
}

type GemmaConfig = v.InferOutput<v.ObjectSchema<typeof gemmaFields, undefined>>

export interface GemmaOptions extends Omit<DecoderOptions, 'activation'> {}

/** What Gemma 2 and 3 add. */
export interface LaterGemmaOptions extends GemmaOptions {
  /** Queries are divided by the square root of this. */
  readonly queryScalar: number
  readonly scoreCap?: number
  readonly logitCap?: number
  /** Slots that most layers see. */
  readonly window: number
  /** Every n-th layer sees all slots. */
  readonly globalEvery: number
}

export const gemmaDefaults = { normEpsilon: 1e-6, tied: true, activation: 'gelu-tanh' } as const

/** Throws OptionError on what no Gemma computes. Old files say 'gelu' and mean its tanh form. */
export function refuseForeignGemma(config: GemmaConfig): void {
  const own = config.hidden_activation ?? (config.hidden_act === 'gelu' ? undefined : config.hidden_act)
  if ((readActivation('hidden_activation', own) ?? 'gelu-tanh') !== 'gelu-tanh')
    refuseField('hidden_activation', own, 'gelu_pytorch_tanh')
  refuseOthers(config, { attention_bias: false, use_bidirectional_attention: false })
}

/** The fields that Gemma 2 and 3 add. */
export function readLaterGemma(
  config: GemmaConfig,
  defaults: { window: number; globalEvery: number; caps?: readonly [number, number] },
) {
  const { layer_types, attn_logit_softcapping, final_logit_softcapping } = config
  if (layer_types != null && layer_types.length !== config.num_hidden_layers)
    refuseField('layer_types', layer_types, 'one for each layer')
  const globals = layer_types?.map((type) => type === 'full_attention')
  const every = config._sliding_window_pattern ?? config.sliding_window_pattern ?? defaults.globalEvery
  // null turns a cap off; where the file says nothing, the family has its own.
  const scoreCap = attn_logit_softcapping === undefined ? defaults.caps?.[0] : (attn_logit_softcapping ?? undefined)
  const logitCap = final_logit_softcapping === undefined ? defaults.caps?.[1] : (final_logit_softcapping ?? undefined)
  return {
    queryScalar: config.query_pre_attn_scalar,
    ...(scoreCap !== undefined && { scoreCap }),
    ...(logitCap !== undefined && { logitCap }),
    window: config.sliding_window ?? defaults.window,
    globalEvery: globals === undefined ? every : everyNth('layer_types', globals, every),
  }
}

/** Fields of a config.json that `readLaterGemma` reads back. */
export function writeLaterGemma(options: LaterGemmaOptions): Readonly<Record<string, unknown>> {
  const { layers, globalEvery } = options
  return {
    query_pre_attn_scalar: options.queryScalar,
    attn_logit_softcapping: options.scoreCap ?? null,
    final_logit_softcapping: options.logitCap ?? null,
    sliding_window: options.window,
    sliding_window_pattern: globalEvery,
    layer_types: Array.from({ length: layers }, (_, i) => ((i + 1) % globalEvery === 0 ? 'full_attention' : 'sliding_attention')),
  }
}

/** What all Gemmas are built of: norms that keep scale − 1, embeddings times √width, gated tanh-GELU. */
export function gemmaParts(options: GemmaOptions): Omit<TransformerOptions, 'attention'> & { readonly attention: AttentionSizes } {
  return {
    ...decoderSizes(options),
    mlp: gatedMlp(options.hidden, activations['gelu-tanh']),
    norm: rmsNorm({ epsilon: options.normEpsilon, offset: 1 }),
    embeddingScale: Math.sqrt(options.width),
  }
}
