import type { CodeBatch } from '../../base/codes.ts'
import type { Layout, Plan } from '../../base/model.ts'
import { type MultiCategoricalHead, multiCategoricalHead } from '../../heads/index.ts'
import {
  CodeEmbedding,
  type EmbeddedSlots,
  Embedding,
  embedSlots,
  rotaryAxes,
  SlotTransformer,
  swiglu,
  type Traced,
} from '../../nn/index.ts'
import type { Order } from '../../orders/index.ts'
import type { Device } from '../../platform/index.ts'
import { type Inputs, type Tensor, unsqueeze } from '../../tensor/index.ts'
import type { ImageContext, ImageNetwork } from '../image-system.ts'
import { idsFeed, idsInputs, idsLogProb, idsLoss, vocabularyOf } from './ids-network.ts'
import { type IdsNetwork, IdsSampler } from './ids-sampler.ts'

export interface RasterOptions {
  readonly width: number
  readonly layers: number
  readonly heads: number
  /** Share of labels that training drops. */
  readonly labelDrop: number
}

/**
 * The plain language model of pictures: one value after another along an order, the class as start token and as the condition of every layer;
 * rotations by row and column.
 */
export class RasterNetwork implements IdsNetwork, ImageNetwork {
  readonly codes: CodeEmbedding
  readonly label: Embedding
  readonly backbone: SlotTransformer
  readonly head: MultiCategoricalHead
  readonly plan: Plan
  readonly layout: Layout
  readonly vocabulary: readonly number[]
  readonly classes: number
  readonly labelDrop: number

  constructor(order: Order, { width, layers, heads, labelDrop }: RasterOptions, { tokenizer, classes }: ImageContext) {
    this.layout = tokenizer.layout
    this.plan = order.plan(tokenizer.layout)
    this.vocabulary = vocabularyOf(tokenizer, order.name)
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
    this.head = multiCategoricalHead(width, this.vocabulary)
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

  readout(hidden: Tensor): Traced {
    return { logits: this.head.logits(hidden) }
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
