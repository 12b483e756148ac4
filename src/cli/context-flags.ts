import { type Command, InvalidArgumentError } from 'commander'
import type { RotaryScalingRequest } from '../systems/index.ts'
import { positive, wholeNumber } from './numbers.ts'

/** The options of a model's context as they were given. */
export interface ContextFlags {
  readonly context?: number
  readonly ropeScaling?: RotaryScalingRequest
}

/** Adds `--context` and `--rope-scaling`. */
export function addContext(command: Command): void {
  command
    .option('--context <count>', "longest sequence, where positions are rotations (default: the model's)", wholeNumber(1))
    .option('--rope-scaling <kind:factor>', 'stretch positions for a longer one: linear, dynamic or yarn, as yarn:4', ropeScaling)
}

const kinds = ['linear', 'dynamic', 'yarn'] as const

function ropeScaling(text: string): RotaryScalingRequest {
  const [name, factor, ...rest] = text.split(':')
  const kind = kinds.find((each) => each === name)
  if (kind !== undefined && factor !== undefined && rest.length === 0)
    return { kind, factor: positive(factor) } as RotaryScalingRequest
  throw new InvalidArgumentError(`Expected one of ${kinds.join(', ')} and a factor, as yarn:4.`)
}

/** What `withModel` takes of them. */
export function contextOf({ context, ropeScaling: rotaryScaling }: ContextFlags) {
  return { ...(context !== undefined && { context }), ...(rotaryScaling && { rotaryScaling }) }
}
