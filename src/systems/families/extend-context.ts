import { ContextError } from '../../base/errors.ts'
import { refuseUnknown } from '../../base/options.ts'
import { count, parseConfig } from '../read-config.ts'
import type { DecoderOptions } from './decoder-config.ts'
import type { RotaryScalingChoice } from './rotary-config.ts'

export interface ContextExtension {
  /** Longest sequence. */
  readonly context: number
  /** How rotary frequencies are stretched for it. Default: as the model's are. */
  readonly rotaryScaling?: RotaryScalingChoice
}

/**
 * A rotary decoder's options for another context. Throws ContextError when it is longer than the trained one and the scaling does not
 * reach it.
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
  const { rotaryScaling = options.rotaryScaling } = extension
  const most = reach(options.context, rotaryScaling, rotaryScaling === options.rotaryScaling)
  if (context > most) {
    throw new ContextError(`a context of ${context} is longer than the ${most} positions that the model knows`, {
      fix: `ask for a rotaryScaling that reaches it, such as { kind: 'yarn', factor: ${Math.ceil(context / options.context)}, original: ${options.context} }`,
    })
  }
  return { ...options, context, ...(rotaryScaling && { rotaryScaling }) }
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
