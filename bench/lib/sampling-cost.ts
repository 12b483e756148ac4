import { stopwatch } from '../engine/stopwatch.ts'

/** The parts of an image sampler that count: what it yields, and its calls of the network so far. */
export interface CountingSampler<Request, Step> {
  readonly evaluations: { readonly backbone: number; readonly head: number }
  sample(request: Request): AsyncIterable<Step>
}

/** What it took to sample some pictures. */
export interface SamplingCost<Step> {
  /** The last step, whose values are complete. */
  readonly last: Step
  readonly secondsPerPicture: number
  /** Of the processor, all threads together. */
  readonly processorSecondsPerPicture: number
  /** Network calls for all of them, which a batch shares. */
  readonly evaluations: { readonly backbone: number; readonly head: number }
}

/** Samples to the end and says what it took. Call it once before it counts: the first call compiles. */
export async function sampleAtCost<Request extends { readonly labels: ArrayLike<number> }, Step>(
  sampler: CountingSampler<Request, Step>,
  request: Request,
): Promise<SamplingCost<Step>> {
  const { backbone, head } = sampler.evaluations
  const elapsed = stopwatch()
  let last: Step | undefined
  for await (const step of sampler.sample(request)) last = step
  const { clock, processor } = elapsed()
  if (last === undefined) throw new Error('the sampler yielded no step')
  const count = request.labels.length
  return {
    last,
    secondsPerPicture: clock / 1000 / count,
    processorSecondsPerPicture: processor / 1000 / count,
    evaluations: { backbone: sampler.evaluations.backbone - backbone, head: sampler.evaluations.head - head },
  }
}
