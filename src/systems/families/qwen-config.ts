import * as v from 'valibot'
import type { Rule } from '../../base/visibility.ts'
import { sliding } from '../../nn/index.ts'
import { count } from '../read-config.ts'
import { type DecoderOptions, decoderFields, normEpsilonField, refuseField } from './decoder-config.ts'

/** Fields of Qwen's config.json files. */
export const qwenFields = {
  ...decoderFields,
  rms_norm_eps: normEpsilonField,
  use_sliding_window: v.optional(v.boolean(), false),
  sliding_window: v.optional(v.nullable(count)),
  max_window_layers: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0))),
  layer_types: v.optional(v.nullable(v.array(v.picklist(['full_attention', 'sliding_attention'])))),
}

type QwenConfig = v.InferOutput<v.ObjectSchema<typeof qwenFields, undefined>>

export interface QwenOptions extends Omit<DecoderOptions, 'activation'> {
  /** Layers from `windowFrom` on see only this many slots. Default: all. */
  readonly window?: number
  /** Default 0. */
  readonly windowFrom?: number
}

/** Windows of the upper layers. Throws OptionError where lower layers have them. */
export function readWindows(config: QwenConfig): Pick<QwenOptions, 'window' | 'windowFrom'> {
  const { use_sliding_window, sliding_window: window, max_window_layers = 28, layer_types } = config
  const types = layer_types?.map((type) => type === 'sliding_attention')
  const listed = types?.includes(true) ? types.indexOf(true) : undefined
  if (
    types !== undefined &&
    (types.length !== config.num_hidden_layers || (listed !== undefined && types.slice(listed).includes(false)))
  )
    refuseField('layer_types', layer_types, 'one for each layer, windows from one layer on')
  if (!use_sliding_window || window == null || (types !== undefined && listed === undefined)) return {}
  return { window, windowFrom: listed ?? max_window_layers }
}

/** Fields of a config.json that `readWindows` reads back. */
export function writeWindows({ window, windowFrom = 0 }: QwenOptions): Readonly<Record<string, unknown>> {
  return { use_sliding_window: window !== undefined, sliding_window: window ?? null, max_window_layers: windowFrom }
}

/** What narrows a layer's attention. */
export function windowOf({ window, windowFrom = 0 }: QwenOptions): (layer: number) => { readonly narrow?: Rule } {
  if (window === undefined) return () => ({})
  const narrow = sliding(window)
  return (layer) => (layer < windowFrom ? {} : { narrow })
}
