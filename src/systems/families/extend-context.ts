import * as v from 'valibot'
import { ContextError } from '../../base/errors.ts'
import { checkOptions, positive, refuseUnknown } from '../../base/options.ts'
import { count, parseConfig } from '../read-config.ts'
import type { DecoderOptions } from './decoder-config.ts'
import type { RotaryScalingChoice } from './rotary-config.ts'

/** A scaling whose `original` may be left out: the trained context, as far as the model says it. */
export type RotaryScalingRequest =
  | RotaryScalingChoice
  | WithoutOriginal<Extract<RotaryScalingChoice, { readonly original: number }>>

type WithoutOriginal<Choice> = Choice extends unknown ? Omit<Choice, 'original'> : never

export interface ContextExtension {
  /** Longest sequence. */
  readonly context: number
  /** How rotary frequencies are stretched for it. Default: as the model's are. */
  readonly rotaryScaling?: RotaryScalingRequest
}

const factors = v.array(v.number())

/** What nn's scalings take apart before they check it. */
const scalingSchema = v.variant('kind', [
  v.looseObject({ kind: v.picklist(['linear', 'dynamic', 'yarn', 'llama3']), factor: positive }),
  v.looseObject({ kind: v.literal('longrope'), short: factors, long: factors }),
])

/**
 * A rotary decoder's options for another context, a shorter one too. Throws ContextError when it is longer than the trained one and the
 * scaling does not reach it, OptionError on a scaling that is none.
 *
 * @example
 * ```ts
 * import { extendContext } from 'nextx/systems'
 *
 * declare const options: Parameters<typeof extendContext>[0]
 * const longer = extendContext(options, { context: 8192, rotaryScaling: { kind: 'yarn', factor: 4, original: 2048 } })
 * ```
 */
export function extendContext<Options extends DecoderOptions>(options: Options, extension: ContextExtension): Options {
  refuseUnknown(extension, ['context', 'rotaryScaling'], 'extendContext')
  const context = parseConfig(count, extension.context, 'extendContext: context')
  if (extension.rotaryScaling !== undefined) checkOptions(scalingSchema, extension.rotaryScaling, 'extendContext: rotaryScaling')
  const rotaryScaling = completed(extension.rotaryScaling, options) ?? options.rotaryScaling
  const most = reach(options.context, rotaryScaling, rotaryScaling === options.rotaryScaling)
  if (context > most) {
    throw new ContextError(`a context of ${context} is longer than the ${most} positions that the model knows`, {
      fix: `ask for a rotary scaling that reaches it, such as yarn by a factor of ${Math.ceil(context / trained(options))}`,
    })
  }
  return { ...options, context, ...(rotaryScaling && { rotaryScaling }) }
}

function completed(asked: RotaryScalingRequest | undefined, options: DecoderOptions): RotaryScalingChoice | undefined {
  if (asked === undefined || asked.kind === 'linear' || 'original' in asked) return asked as RotaryScalingChoice | undefined
  return { ...asked, original: trained(options) }
}

function trained({ context, rotaryScaling }: DecoderOptions): number {
  return rotaryScaling !== undefined && 'original' in rotaryScaling ? rotaryScaling.original : context
}

/** Longest context of a scaling. */
function reach(known: number, scaling: RotaryScalingChoice | undefined, isModels: boolean): number {
  switch (scaling?.kind) {
    case 'dynamic':
      return Number.POSITIVE_INFINITY
    case 'linear':
      // The context of a model that came with it holds it already.
      return isModels ? known : known * scaling.factor
    case 'yarn':
    case 'llama3':
      return Math.max(known, scaling.original * scaling.factor)
    default:
      return known
  }
}
