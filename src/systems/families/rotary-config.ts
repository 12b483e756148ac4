import * as v from 'valibot'
import { OptionError } from '../../base/errors.ts'
import {
  dynamicScaling,
  linearScaling,
  llama3Scaling,
  longRope,
  type RotaryOptions,
  type RotaryScaling,
  yarn,
} from '../../nn/index.ts'
import { count, parseConfig, positive } from '../read-config.ts'

/** How rotary frequencies are stretched, as plain data. `original` is the trained context; the rest is as in nn's scalings. */
export type RotaryScalingChoice =
  | { readonly kind: 'linear'; readonly factor: number }
  | { readonly kind: 'dynamic'; readonly factor: number; readonly original: number }
  | ({ readonly kind: 'yarn' } & Parameters<typeof yarn>[0])
  | ({ readonly kind: 'llama3' } & Parameters<typeof llama3Scaling>[0])
  | ({ readonly kind: 'longrope' } & Parameters<typeof longRope>[0])

export interface RotaryChoice {
  readonly rotaryBase: number
  /** Share of each head's channels that are rotated. Default: all. */
  readonly rotaryShare?: number
  readonly rotaryScaling?: RotaryScalingChoice
}

const type = v.optional(v.string())
const share = v.optional(v.pipe(v.number(), v.gtValue(0), v.maxValue(1)))
const common = { type, rope_type: type, rope_theta: v.optional(positive), partial_rotary_factor: share }
const original = v.optional(count)
const factors = v.pipe(v.array(positive), v.maxLength(4096))

const schemas = {
  default: v.strictObject({ ...common }),
  linear: v.strictObject({ ...common, factor: positive }),
  dynamic: v.strictObject({ ...common, factor: positive, original_max_position_embeddings: original }),
  yarn: v.strictObject({
    ...common,
    factor: positive,
    original_max_position_embeddings: original,
    beta_fast: v.optional(positive),
    beta_slow: v.optional(positive),
    attention_factor: v.optional(v.nullable(positive)),
    mscale: v.optional(positive),
    mscale_all_dim: v.optional(positive),
    truncate: v.optional(v.boolean()),
    finetuned: v.optional(v.boolean()),
  }),
  llama3: v.strictObject({
    ...common,
    factor: positive,
    original_max_position_embeddings: count,
    low_freq_factor: positive,
    high_freq_factor: positive,
  }),
  longrope: v.strictObject({
    ...common,
    factor: v.optional(positive),
    original_max_position_embeddings: original,
    short_factor: factors,
    long_factor: factors,
    attention_factor: v.optional(v.nullable(positive)),
  }),
} as const

/** Fields of a config.json that say how queries and keys are rotated; newer ones keep them all in `rope_parameters`. */
export const rotaryFields = {
  rope_theta: v.optional(positive),
  rope_scaling: v.optional(v.nullable(v.record(v.string(), v.unknown()))),
  rope_parameters: v.optional(v.nullable(v.record(v.string(), v.unknown()))),
  partial_rotary_factor: share,
  original_max_position_embeddings: original,
  max_position_embeddings: count,
}

type RotaryConfig = v.InferOutput<v.ObjectSchema<typeof rotaryFields, undefined>>

/** The rotation in a config.json. Throws OptionError on a scaling that is not supported, or lacks or has unknown fields. */
export function readRotary(config: RotaryConfig, defaults: { readonly base?: number; readonly share?: number } = {}): RotaryChoice {
  const parameters = config.rope_parameters ?? config.rope_scaling ?? {}
  const name = config.rope_parameters ? 'rope_parameters' : 'rope_scaling'
  const given = parameters.rope_type ?? parameters.type ?? 'default'
  const kind = given === 'su' ? 'longrope' : given
  if (typeof kind !== 'string' || !Object.hasOwn(schemas, kind)) {
    throw new OptionError(`config.json: ${name} ${JSON.stringify(given)} is not supported`, {
      expected: `one of ${Object.keys(schemas).join(', ')}`,
    })
  }
  const what = `config.json, ${name}`
  const inner = v.looseObject({ rope_theta: common.rope_theta, partial_rotary_factor: share })
  const { rope_theta, partial_rotary_factor } = parseConfig(inner, parameters, what)
  const rotaryScaling = readers[kind as keyof typeof schemas](parameters, config, what)
  const rotaryShare = partial_rotary_factor ?? config.partial_rotary_factor ?? defaults.share ?? 1
  return {
    rotaryBase: rope_theta ?? config.rope_theta ?? defaults.base ?? 10000,
    ...(rotaryShare !== 1 && { rotaryShare }),
    ...(rotaryScaling && { rotaryScaling }),
  }
}

type Reader = (parameters: unknown, config: RotaryConfig, what: string) => RotaryScalingChoice | undefined

const readers: Readonly<Record<keyof typeof schemas, Reader>> = {
  default(parameters, _config, what) {
    parseConfig(schemas.default, parameters, what)
    return undefined
  },
  linear: (parameters, _config, what) => ({ kind: 'linear', factor: parseConfig(schemas.linear, parameters, what).factor }),
  dynamic(parameters, config, what) {
    const { factor, ...rest } = parseConfig(schemas.dynamic, parameters, what)
    return { kind: 'dynamic', factor, original: trainedContext(rest, config) }
  },
  yarn(parameters, config, what) {
    const parsed = parseConfig(schemas.yarn, parameters, what)
    const amplitude = parsed.attention_factor ?? amplitudeOf(parsed)
    return {
      kind: 'yarn',
      factor: parsed.factor,
      original: trainedContext(parsed, config),
      ...(parsed.beta_fast !== undefined && { fast: parsed.beta_fast }),
      ...(parsed.beta_slow !== undefined && { slow: parsed.beta_slow }),
      ...(amplitude !== undefined && { amplitude }),
      ...(parsed.truncate !== undefined && { truncate: parsed.truncate }),
    }
  },
  llama3(parameters, _config, what) {
    const parsed = parseConfig(schemas.llama3, parameters, what)
    const { factor, low_freq_factor: low, high_freq_factor: high } = parsed
    return { kind: 'llama3', factor, original: parsed.original_max_position_embeddings, low, high }
  },
  longrope(parameters, config, what) {
    const parsed = parseConfig(schemas.longrope, parameters, what)
    const trained = trainedContext(parsed, config)
    const stretch = parsed.factor ?? config.max_position_embeddings / trained
    const amplitude = parsed.attention_factor ?? (stretch > 1 ? Math.sqrt(1 + Math.log(stretch) / Math.log(trained)) : 1)
    return { kind: 'longrope', original: trained, short: parsed.short_factor, long: parsed.long_factor, amplitude }
  },
}

function trainedContext(parameters: { original_max_position_embeddings?: number | undefined }, config: RotaryConfig): number {
  return parameters.original_max_position_embeddings ?? config.original_max_position_embeddings ?? config.max_position_embeddings
}

/** DeepSeek's two scales, of which the ratio lengthens queries and keys. */
function amplitudeOf({ factor, mscale, mscale_all_dim }: v.InferOutput<typeof schemas.yarn>): number | undefined {
  if (mscale === undefined || mscale_all_dim === undefined) return undefined
  const scale = (weight: number) => (factor > 1 ? 0.1 * weight * Math.log(factor) + 1 : 1)
  return scale(mscale) / scale(mscale_all_dim)
}

/** Fields of a config.json that `readRotary` reads back. */
export function writeRotary({ rotaryBase, rotaryShare = 1, rotaryScaling }: RotaryChoice): Readonly<Record<string, unknown>> {
  return {
    rope_theta: rotaryBase,
    partial_rotary_factor: rotaryShare,
    ...(rotaryScaling && { rope_scaling: writeScaling(rotaryScaling) }),
  }
}

function writeScaling(scaling: RotaryScalingChoice): Readonly<Record<string, unknown>> {
  const { kind } = scaling
  const trained = 'original' in scaling ? { original_max_position_embeddings: scaling.original } : {}
  switch (kind) {
    case 'linear':
    case 'dynamic':
      return { rope_type: kind, factor: scaling.factor, ...trained }
    case 'yarn': {
      const { factor, fast: beta_fast, slow: beta_slow, amplitude: attention_factor, truncate } = scaling
      return { rope_type: kind, factor, ...trained, beta_fast, beta_slow, attention_factor, truncate }
    }
    case 'llama3':
      return {
        rope_type: kind,
        factor: scaling.factor,
        ...trained,
        low_freq_factor: scaling.low,
        high_freq_factor: scaling.high,
      }
    case 'longrope': {
      const { short: short_factor, long: long_factor, amplitude: attention_factor = 1 } = scaling
      return { rope_type: kind, ...trained, short_factor, long_factor, attention_factor }
    }
  }
}

/** Options of `rotary()`. */
export function rotaryOptions({ rotaryBase, rotaryShare = 1, rotaryScaling }: RotaryChoice): RotaryOptions {
  return { base: rotaryBase, share: rotaryShare, ...(rotaryScaling && { scaling: scalingOf(rotaryScaling) }) }
}

function scalingOf(choice: RotaryScalingChoice): RotaryScaling {
  const { kind, ...options } = choice
  return scalings[kind](options as never)
}

const scalings = { linear: linearScaling, dynamic: dynamicScaling, yarn, llama3: llama3Scaling, longrope: longRope }
