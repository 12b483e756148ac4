import * as v from 'valibot'
import { MismatchError, OptionError } from '../../base/errors.ts'
import { nonNegative, positive, wholeNumber } from '../../base/options.ts'
import { float32, int32, mean, negate, divide, add } from '../../tensor/index.ts'
import type { ImageTokenizer } from '../../tokenizers/image/image-tokenizer.ts'
import { FlowSampler } from '../flow/flow-sampler.ts'
import { FlowStack } from '../flow/flow-stack.ts'
import type { ImageNetwork, ImageSystem } from '../image-system.ts'
import { count, layerCount, parseConfig } from '../read-config.ts'

const optionsSchema = v.strictObject({
  classes: wholeNumber(0, 1e6),
  /** Share of labels that training drops. */
  labelDrop: v.optional(v.pipe(v.number(), v.minValue(0), v.maxValue(1)), 0.1),
  width: count,
  heads: count,
  /** Transformer layers of each block, from the data to the noise. */
  layers: v.pipe(v.array(layerCount), v.minLength(1)),
  /** Which blocks know the class. */
  conditioned: v.optional(v.picklist(['deep', 'all']), 'deep'),
  scale: v.optional(v.picklist(['exp', 'softplus']), 'exp'),
  positions: v.optional(v.picklist(['learned', 'rotary']), 'learned'),
  /**
   * What training adds to values: `uniform` noise as wide as one of 256 levels, for exact likelihoods of 8-bit pixels, or Gaussian noise of a
   * deviation, for better samples, which are denoised at the end.
   */
  noise: v.optional(v.union([v.literal('uniform'), v.strictObject({ gaussian: positive })]), 'uniform'),
})
