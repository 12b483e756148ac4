import * as v from 'valibot'
import type { CodeBatch } from '../../base/codes.ts'
import type { Layout, Plan } from '../../base/model.ts'
import { type MultiCategoricalHead, multiCategoricalHead } from '../../heads/index.ts'
import {
  type BackboneOutput,
  CodeEmbedding,
  type EmbeddedSlots,
  Embedding,
  embedSlots,
  type Norm,
  rmsNorm,
  rotaryAxes,
  SlotTransformer,
  swiglu,
  type Traced,
} from '../../nn/index.ts'
import { channelsOf, type Order } from '../../orders/index.ts'
import type { Device } from '../../platform/index.ts'
import { concat, type Inputs, type Tensor, unsqueeze } from '../../tensor/index.ts'
import type { ImageContext, ImageNetwork } from '../image-system.ts'
import { count, layerCount, share } from '../read-config.ts'
import { planFor } from './fit-tokenizer.ts'
import { idsFeed, idsInputs, idsLogProb, idsLoss, vocabularyOf } from './ids-network.ts'
import { type IdsNetwork, IdsSampler } from './ids-sampler.ts'

export const tokenSchema = v.strictObject({
  width: v.optional(count, 96),
  layers: v.optional(layerCount, 4),
  heads: v.optional(count, 4),
  /** Share of labels that training drops. */
  labelDrop: v.optional(share, 0.1),
})

export type TokenOptions = v.InferOutput<typeof tokenSchema>

/**
 * The plain language model of pictures: values along an order (raster, permutations, diagonals), the class as start token and as the condition of
 * every layer; rotations by row and column. An order of several channels has a head for each: the last one reads the last layer, those before it a
 * layer less each (NAR).
 */
export class TokenNetwork implements IdsNetwork, ImageNetwork {
  readonly codes: CodeEmbedding
  readonly label: Embedding
  readonly backbone: SlotTransformer
  /** One per channel. */
  readonly heads: readonly MultiCategoricalHead[]
  /** Of the hidden states that all heads but the last read. */
  readonly norms: readonly Norm[]
  readonly plan: Plan
  readonly layout: Layout
  readonly vocabulary: readonly number[]
  readonly classes: number
  readonly labelDrop: number

  /** Throws MismatchError when the tokenizer gives no ids, or the order cannot lay them out. */
  constructor(
    system: string,
    order: Order,
    { width, layers, heads, labelDrop }: TokenOptions,
    { tokenizer, classes }: ImageContext,
  ) {
    this.layout = tokenizer.layout
    this.vocabulary = vocabularyOf(tokenizer, system)
    this.plan = planFor(system, order, tokenizer)
    this.classes = classes
    this.labelDrop = labelDrop
    this.codes = new CodeEmbedding(this.vocabulary, width)
    this.label = new Embedding(classes + 1, width)
    const axes = this.plan.position.map((_, axis) => axis)
    this.backbone = new SlotTransformer({
      width,
      layers,
      condition: width,
      attention: { heads },
      mlp: swiglu(swigluWidth(width)),
      positions: rotaryAxes(axes),
    })
    const channels = channelsOf(this.plan)
    this.heads = channels.map(() => multiCategoricalHead(width, this.vocabulary))
    this.norms = channels.slice(1).map(() => rmsNorm()(width))
  }

  get inputs(): Inputs {
    return idsInputs(this, 'B')
  }

  embed({ values, label }: Traced): EmbeddedSlots {
    const condition = unsqueeze(this.label.forward(label!), 1)
    return {
      condition,
      embedded: embedSlots(this.plan, { values: this.codes.forward(values!), start: condition }, values!.shape[0]!),
    }
  }

  readout({ hidden, layers }: BackboneOutput): Traced {
    const early = this.norms.map((norm, i) => norm.forward(layers[layers.length - 1 - this.norms.length + i]!))
    return {
      logits: concat(
        [...early, hidden].map((states, channel) => this.heads[channel]!.logits(states)),
        -1,
      ),
    }
  }

  trainingInputs(batch: number): Inputs {
    return idsInputs(this, batch)
  }

  feed(samples: CodeBatch, labels: Int32Array) {
    return idsFeed(samples, labels)
  }

  loss(inputs: Traced) {
    return { total: idsLoss(this, inputs) }
  }

  logProb(values: Tensor, label: Tensor): Tensor {
    return idsLogProb(this, { values, label })
  }

  openSampler(device: Device): IdsSampler {
    return new IdsSampler(this, device)
  }
}

/** Two thirds of 4·width, as three matrices take the place of two; a multiple of 16. Shazeer 2020. */
export function swigluWidth(width: number): number {
  return Math.ceil((width * 8) / 3 / 16) * 16
}
