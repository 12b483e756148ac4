import * as v from 'valibot'
import { OptionError } from '../../base/errors.ts'
import {
  type ForecastHead,
  gaussianHead,
  negativeBinomialHead,
  type PointLoss,
  pointHead,
  quantileHead,
  studentHead,
} from '../../heads/index.ts'
import { count, positive } from '../read-config.ts'

/** What methods that learn in steps start from. */
export interface NeuralDefaults {
  readonly batch: number
  readonly learningRate: number
  readonly epochs: number
  readonly minSteps: number
  readonly schedule: 'constant' | 'halving' | 'cosine'
  readonly normalization: 'standard' | 'mean' | 'last' | 'none'
}

const usual: NeuralDefaults = {
  batch: 32,
  learningRate: 1e-3,
  epochs: 10,
  minSteps: 500,
  schedule: 'halving',
  normalization: 'none',
}

/** Options of all methods that learn in steps. */
export function neuralEntries(defaults: Partial<NeuralDefaults>) {
  const { batch, learningRate, epochs, minSteps, schedule, normalization } = { ...usual, ...defaults }
  return {
    /** Values that a forecast looks at. Default: two seasons, and at least as many as are forecast, up to 96. */
    inputSize: v.optional(v.pipe(count, v.maxValue(8192))),
    /** Windows per step. */
    batch: v.optional(v.pipe(count, v.maxValue(8192)), batch),
    learningRate: v.optional(positive, learningRate),
    /** Rounds of learning, after each of which it is looked at what was held out: through all windows once, unless the next two say otherwise. */
    epochs: v.optional(count, epochs),
    /** Steps at least, unless learning stops early: few windows are gone through more often. */
    minSteps: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0)), minSteps),
    /** Steps at most. */
    maxSteps: v.optional(count, 20_000),
    /** How the learning rate falls: not at all, by half each round, or along half a cosine. */
    schedule: v.optional(v.picklist(['constant', 'halving', 'cosine']), schedule),
    /** Last values of each series that judge when to stop, and are not learnt from. Default: a fifth, where that leaves enough to learn from. */
    validationSize: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0))),
    /** Rounds without a gain on them after which learning stops; the best weights are kept. */
    patience: v.optional(count, 3),
    /** Of each series, by what is learnt from. Default: standard; none for counts. */
    scaler: v.optional(v.picklist(['standard', 'robust', 'none'])),
    /** What is taken off each window before a network sees it, and put back: its mean and deviation, its mean, its last value, or nothing. */
    normalization: v.optional(v.picklist(['standard', 'mean', 'last', 'none']), normalization),
    distribution: v.optional(v.picklist(['point', 'quantile', 'gaussian', 'student-t', 'negative-binomial']), 'point'),
    /** Of points. Default: squared. */
    loss: v.optional(v.picklist(['squared', 'absolute', 'huber'])),
    /** What is learnt: all weights, or the last layer alone, of networks that were learnt before. */
    learns: v.optional(v.picklist(['all', 'head']), 'all'),
    /** Share of a weight that is taken off per step, times the learning rate. */
    weightDecay: v.optional(v.pipe(v.number(), v.finite(), v.minValue(0)), 0),
  }
}

export type NeuralOptions = v.InferOutput<v.StrictObjectSchema<ReturnType<typeof neuralEntries>, undefined>>

/** Throws OptionError on options that do nothing together. */
export function checkNeural({ distribution, loss, scaler }: NeuralOptions, id: string): void {
  if (loss !== undefined && distribution !== 'point')
    throw new OptionError(`${id}: loss does nothing with the distribution '${distribution}'`, { expected: "it with 'point' alone" })
  if (distribution === 'negative-binomial' && scaler !== undefined && scaler !== 'none')
    throw new OptionError(`${id}: counts are not scaled`, { expected: "scaler: 'none'" })
}

/** How values are distributed. */
export function headOf({
  distribution,
  loss,
}: {
  readonly distribution: NeuralOptions['distribution']
  readonly loss?: PointLoss | undefined
}): ForecastHead {
  const heads = {
    point: () => pointHead(loss),
    quantile: () => quantileHead(),
    gaussian: gaussianHead,
    'student-t': studentHead,
    'negative-binomial': negativeBinomialHead,
  }
  return heads[distribution]()
}
