import * as v from 'valibot'
import { type CodeBatch, countValues } from '../../base/codes.ts'
import type { Layout } from '../../base/model.ts'
import type { Rng } from '../../base/rng.ts'
import { type MultiCategoricalHead, multiCategoricalHead } from '../../heads/index.ts'
import { CodeEmbedding, type Traced } from '../../nn/index.ts'
import type { Device } from '../../platform/index.ts'
import { type Dimension, divide, float32, type Inputs, multiply, negate, subtract, sum, type Tensor } from '../../tensor/index.ts'
import type { ImageContext, ImageNetwork } from '../image-system.ts'
import { idsFeed, idsInputs, vocabularyOf } from './ids-network.ts'
import { drawKnown } from './mask-feed.ts'
import { MaskedBackbone, maskedEntries } from './masked-backbone.ts'
import { type MaskedIdsNetwork, MaskedSampler } from './masked-sampler.ts'

export const maskedSchema = v.strictObject({
  ...maskedEntries,
  /** 2: convolutions make one slot of 2×2 values before the layers, and take it apart after them. */
  compress: v.optional(v.picklist([1, 2]), 1),
})

export type MaskedOptions = v.InferOutput<typeof maskedSchema>

/**
 * Predicts all masked ids at once from those that are known. Inputs: `values` int `[batch, value, code]`, `known` float `[batch, value]`, `label` int
 * `[batch]`. What `values` holds where nothing is known is the target of training, and never seen.
 */
export class MaskedNetwork implements MaskedIdsNetwork, ImageNetwork {
  readonly codes: CodeEmbedding
  readonly body: MaskedBackbone
  readonly head: MultiCategoricalHead
  readonly layout: Layout
  readonly vocabulary: readonly number[]
  readonly classes: number
  readonly labelDrop: number

  /** Throws MismatchError when the tokenizer gives no ids, OptionError when its grid cannot be compressed. */
  constructor(system: string, options: MaskedOptions, { tokenizer, classes }: ImageContext) {
    this.layout = tokenizer.layout
    this.vocabulary = vocabularyOf(tokenizer, system)
    this.classes = classes
    this.labelDrop = options.labelDrop
    this.codes = new CodeEmbedding(this.vocabulary, options.width)
    this.body = new MaskedBackbone(this.layout, classes, options)
    this.head = multiCategoricalHead(options.width, this.vocabulary)
  }

  inputsFor(batch: Dimension | string): Inputs {
    return { ...idsInputs(this, batch), known: float32(batch, countValues(this.layout)) }
  }

  /** `[batch, value, Σ vocabulary]`. */
  logits(inputs: Traced): Tensor {
    return this.head.logits(this.#hidden(inputs))
  }

  trainingInputs(batch: number): Inputs {
    return this.inputsFor(batch)
  }

  feed(samples: CodeBatch, labels: Int32Array, rng: Rng) {
    const known = drawKnown({ samples: samples.count, phases: [{ values: countValues(this.layout), rate: 'cosine' }] }, rng)
    return { ...idsFeed(samples, labels), known }
  }

  /** Mean −log p of a masked id, in nats. */
  loss(inputs: Traced) {
    const masked = subtract(1, inputs.known!)
    const logProbs = this.head.logProb(this.#hidden(inputs), inputs.values!)
    return { total: negate(divide(sum(multiply(logProbs, masked)), multiply(sum(masked), this.vocabulary.length))) }
  }

  openSampler(device: Device): MaskedSampler {
    return new MaskedSampler(this, device)
  }

  #hidden({ values, known, label }: Traced): Tensor {
    return this.body.forward({ embedded: this.codes.forward(values!), known: known!, label: label! })
  }
}
