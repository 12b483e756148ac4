import { OptionError } from '../../base/errors.ts'
import { guidanceScale } from '../../decode/index.ts'
import type { ImageModel, SampleOptions } from '../../systems/index.ts'
import { flagOf } from '../modality.ts'
import type { PictureFlags } from '../picture-flags.ts'

/** What the library takes of the flags, but for classes and what is common to all models. */
export type SamplingFlagsOfPictures = PictureFlags & Pick<SampleOptions, 'temperature' | 'topK' | 'topP'>

/** Flags, and the option of the library that each stands for. */
const optionOf = {
  guidance: 'guidance',
  guidanceSchedule: 'guidance',
  temperature: 'temperature',
  topK: 'topK',
  topP: 'topP',
  steps: 'steps',
  innerSteps: 'innerSteps',
  method: 'method',
  selection: 'selection',
  choiceTemperature: 'choiceTemperature',
  schedule: 'schedule',
  size: 'size',
  inverse: 'special',
} as const satisfies { readonly [flag in keyof SamplingFlagsOfPictures]?: keyof SampleOptions }

const flagNames = Object.keys(optionOf) as (keyof typeof optionOf)[]

/** What sampling takes of the flags. Throws OptionError on those that the model's method does not take. */
export function samplingOf({ sampler, system }: ImageModel, flags: SamplingFlagsOfPictures): SampleOptions {
  const given = flagNames.filter((name) => flags[name] !== undefined)
  const taken = flagNames.filter((name) => sampler.options.includes(optionOf[name]))
  const unknown = given.find((name) => !taken.includes(name))
  if (unknown !== undefined) {
    throw new OptionError(`${system.id} does not take ${flagOf(unknown)}`, {
      expected: `of these: ${taken.map(flagOf).join(', ') || 'none'}`,
    })
  }
  const { guidance, guidanceSchedule, inverse } = flags
  const plain = given.filter((name) => name !== 'guidanceSchedule' && name !== 'inverse')
  return {
    ...Object.fromEntries(plain.map((name) => [name, flags[name]])),
    // From 1 to 1 is no guidance, which a number says and a function hides.
    ...(guidance !== undefined && guidance !== 1 && guidanceSchedule && { guidance: guidanceScale(guidanceSchedule, guidance) }),
    ...(inverse && { special: { inverse: inverse === 'jacobi' ? jacobi : inverse } }),
  }
}

/** Until no number changes by more: as `auto` does by default. */
const jacobi = { kind: 'jacobi', tolerance: 1e-4 } as const
