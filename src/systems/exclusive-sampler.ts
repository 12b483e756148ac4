import { BusyError } from '../base/errors.ts'
import type { ImageSampler, SampleRequest } from './image-system.ts'

/**
 * The same sampler, for one generation at a time: its caches belong to the one under way. Another `sample` meanwhile throws BusyError; leaving a
 * generation (`break`, `return()`) ends it.
 */
export function exclusiveSampler(sampler: ImageSampler): ImageSampler {
  let busy = false
  return {
    options: sampler.options,
    get evaluations() {
      return sampler.evaluations
    },
    async *sample(request: SampleRequest) {
      if (busy) {
        throw new BusyError('the model is generating pictures already', {
          fix: 'wait for the generation under way, ask for all pictures in one, or load the model twice',
        })
      }
      busy = true
      try {
        yield* sampler.sample(request)
      } finally {
        busy = false
      }
    },
    [Symbol.asyncDispose]: () => sampler[Symbol.asyncDispose](),
  }
}
