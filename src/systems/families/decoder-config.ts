import * as v from 'valibot'
import { OptionError } from '../../base/errors.ts'
import { type Activation, rotary, type TransformerOptions } from '../../nn/index.ts'
import { gelu, geluTanh, relu, silu } from '../../tensor/index.ts'
import { count, layerCount, positive } from '../read-config.ts'
import { type RotaryChoice, readRotary, rotaryFields, rotaryOptions, writeRotary } from './rotary-config.ts'

/** What all families of rotary decoders have, as plain data. */
export interface DecoderOptions extends RotaryChoice {
  readonly vocabularySize: number
  /** Longest sequence. */
  readonly context: number
  readonly width: number
  readonly layers: number
  readonly heads: number
  readonly keyValueHeads: number
  readonly headWidth: number
  /** Width of the MLP's middle. */
  readonly hidden: number
  readonly normEpsilon: number
  readonly head: 'tied' | 'separate'
  /** Default: the family's own. */
  readonly activation?: ActivationName
}

export type ActivationName = 'silu' | 'gelu' | 'gelu-tanh' | 'relu'

export const activations: Readonly<Record<ActivationName, Activation>> = { silu, gelu, 'gelu-tanh': geluTanh, relu }

/** Names that config.json files have for them; the first of each is written. */
const publicNames: Readonly<Record<string, ActivationName>> = {
  silu: 'silu',
  swish: 'silu',
  gelu: 'gelu',
  gelu_pytorch_tanh: 'gelu-tanh',
  gelu_new: 'gelu-tanh',
  gelu_fast: 'gelu-tanh',
  relu: 'relu',
}

/** Fields of a public config.json that decide what a rotary decoder computes; their names are kept. */
export const decoderFields = {
  ...rotaryFields,
  vocab_size: count,
  hidden_size: count,
  intermediate_size: count,
  num_hidden_layers: layerCount,
  num_attention_heads: count,
  num_key_value_heads: v.optional(v.nullable(count)),
  head_dim: v.optional(v.nullable(count)),
  hidden_act: v.optional(v.string()),
  tie_word_embeddings: v.optional(v.boolean()),
  /** Weights that another program quantised. */
  quantization_config: v.optional(v.unknown()),
}

type DecoderConfig = v.InferOutput<v.ObjectSchema<typeof decoderFields, undefined>>

/** What a family has where a config.json says nothing. */
export interface FamilyDefaults {
  readonly normEpsilon: number
  readonly tied: boolean
  readonly activation: ActivationName
  readonly rotaryBase?: number
  readonly rotaryShare?: number
}

/** The options that all families have. Throws OptionError on what is not supported. */
export function readDecoder(
  config: DecoderConfig & { readonly normEpsilon: number | undefined },
  defaults: FamilyDefaults,
): DecoderOptions {
  if (config.quantization_config != null) refuseField('quantization_config', config.quantization_config, 'none')
  const activation = readActivation('hidden_act', config.hidden_act) ?? defaults.activation
  return {
    vocabularySize: config.vocab_size,
    context: config.max_position_embeddings,
    width: config.hidden_size,
    layers: config.num_hidden_layers,
    heads: config.num_attention_heads,
    keyValueHeads: config.num_key_value_heads ?? config.num_attention_heads,
    headWidth: config.head_dim ?? config.hidden_size / config.num_attention_heads,
    hidden: config.intermediate_size,
    normEpsilon: config.normEpsilon ?? defaults.normEpsilon,
    ...readRotary(config, { base: defaults.rotaryBase ?? 10000, share: defaults.rotaryShare ?? 1 }),
    head: (config.tie_word_embeddings ?? defaults.tied) ? 'tied' : 'separate',
    ...(activation !== defaults.activation && { activation }),
  }
}

/** Fields of a config.json that `readDecoder` reads back. */
export function writeDecoder(options: DecoderOptions, defaults: FamilyDefaults): Readonly<Record<string, unknown>> {
  return {
    vocab_size: options.vocabularySize,
    hidden_size: options.width,
    intermediate_size: options.hidden,
    num_hidden_layers: options.layers,
    num_attention_heads: options.heads,
    num_key_value_heads: options.keyValueHeads,
    head_dim: options.headWidth,
    max_position_embeddings: options.context,
    ...writeRotary(options),
    tie_word_embeddings: options.head === 'tied',
    hidden_act: writeActivation(options.activation ?? defaults.activation),
  }
}

/** The parts of a transformer that all families have. */
export function decoderSizes(options: DecoderOptions): Pick<
  TransformerOptions,
  'vocabularySize' | 'context' | 'width' | 'layers' | 'positions'
> & {
  readonly attention: AttentionSizes
} {
  const { vocabularySize, context, width, layers, heads, keyValueHeads, headWidth } = options
  const positions = rotary(rotaryOptions(options))
  return { vocabularySize, context, width, layers, positions, attention: { heads, keyValueHeads, headWidth } }
}

export interface AttentionSizes {
  readonly heads: number
  readonly keyValueHeads: number
  readonly headWidth: number
}

/** Throws OptionError for a function that is not supported. */
export function readActivation(field: string, name: string | null | undefined): ActivationName | undefined {
  if (name == null) return undefined
  const found = Object.hasOwn(publicNames, name) ? publicNames[name] : undefined
  return found ?? refuseField(field, name, `one of ${Object.keys(publicNames).join(', ')}`)
}

/** The name that config.json files have for an activation. */
export function writeActivation(name: ActivationName): string {
  return Object.entries(publicNames).find(([, own]) => own === name)![0]
}

/** Throws OptionError: the field of a config.json has a value that is not supported. */
export function refuseField(field: string, value: unknown, expected: string): never {
  const shown = JSON.stringify(value)
  throw new OptionError(`config.json: ${field} ${shown.length > 100 ? `${shown.slice(0, 100)}…` : shown} is not supported`, {
    expected,
  })
}

/** Throws OptionError unless the fields, where they are given, have the only values that are supported. */
export function refuseOthers(config: Readonly<Record<string, unknown>>, only: Readonly<Record<string, unknown>>): void {
  for (const [field, value] of Object.entries(only)) {
    const given = config[field]
    if (given != null && given !== value) refuseField(field, given, JSON.stringify(value))
  }
}

/**
 * n where the layers whose number is a multiple of n are special and all others are not, as `layer_types` and the like list them;
 * `expected` where that fits. Throws OptionError for other lists.
 */
export function everyNth(field: string, isSpecial: readonly boolean[], expected: number): number {
  const fits = (every: number) => isSpecial.every((special, layer) => special === ((layer + 1) % every === 0))
  const found = [expected, isSpecial.indexOf(true) + 1 || isSpecial.length + 1].find(fits)
  return found ?? refuseField(field, isSpecial.map(Number), 'every n-th layer of its own kind')
}

export const normEpsilonField = v.optional(positive)
