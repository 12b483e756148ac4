import * as v from 'valibot'
import type { CodeBatch } from '../../base/codes.ts'
import type { Layout, Plan } from '../../base/model.ts'
import type { Rng } from '../../base/rng.ts'
import { type MultiCategoricalHead, multiCategoricalHead } from '../../heads/index.ts'
import {
  type BackboneOutput,
  type EmbeddedSlots,
  Embedding,
  embedSlots,
  Linear,
  normal,
  rmsNorm,
  SlotTransformer,
  swiglu,
  type Traced,
  unplaced,
  zeros,
} from '../../nn/index.ts'
import { scales } from '../../orders/index.ts'
import type { Device } from '../../platform/index.ts'
import { add, type FeedValue, type Inputs, parameter, type Tensor, unsqueeze, type Variable } from '../../tensor/index.ts'
import type { ImageTokenizer } from '../../tokenizers/index.ts'
import type { ImageContext, ImageNetwork, ImageSampler } from '../image-system.ts'
import { count, layerCount, share } from '../read-config.ts'
import { fittingTokenizer } from './fit-tokenizer.ts'
import { idsFeed, idsInputs, idsLogProb, idsLoss, vocabularyOf } from './ids-network.ts'
import { type IdsNetwork, IdsSampler } from './ids-sampler.ts'
import type { ScalePlaces } from './scale-places.ts'
import { swigluWidth } from './token-network.ts'

export const scaleSchema = v.strictObject({
  width: v.optional(count, 96),
  layers: v.optional(layerCount, 4),
  heads: v.optional(count, 4),
  /** Share of labels that training drops. */
  labelDrop: v.optional(share, 0.1),
  /** Queries and keys of one length, √headWidth times a learned factor per channel. */
  queryKeyNorm: v.optional(v.boolean(), true),
})

export type ScaleOptions = v.InferOutput<typeof scaleSchema>

/** A tokenizer whose parts tell later ones what has been said. */
export type ScaleTokenizer = ImageTokenizer & Required<Pick<ImageTokenizer, 'carry'>>

/** What is trained; the same for every schedule of scales that it is run on. */
export interface ScaleModules {
  /** Added to the class where the first scale is fed, `[1, 1, width]`. */
  readonly start: Variable
  readonly label: Embedding
  readonly carried: Linear
  readonly places: ScalePlaces
  readonly backbone: SlotTransformer
  readonly head: MultiCategoricalHead
}

/** The tokenizer of a context. Throws MismatchError when it gives no ids, has one part only, or parts that carry nothing or something else. */
export function scaleTokenizer({ tokenizer }: ImageContext, system: string, carry?: 'band'): ScaleTokenizer {
  return fittingTokenizer(system, tokenizer, { unit: 'ids', parts: 'carried', ...(carry && { carry }) })
}

/** New modules for a tokenizer. Throws MismatchError when its values are no ids, OptionError on sizes that do not fit. */
export function scaleModules(options: ScaleOptions, { tokenizer, classes }: ImageContext, places: ScalePlaces): ScaleModules {
  const { width } = options
  return {
    start: parameter([1, 1, width], normal(0.02)),
    label: new Embedding(classes + 1, width),
    carried: new Linear(tokenizer.embeddingWidth, width, { weight: normal(1 / Math.sqrt(tokenizer.embeddingWidth)), bias: zeros }),
    places,
    backbone: scaleBackbone(options),
    head: multiCategoricalHead(width, vocabularyOf(tokenizer, 'a network of scales')),
  }
}

/** What mixes slots, all of a scale at once, under the condition of the class. */
function scaleBackbone({ width, layers, heads, queryKeyNorm }: ScaleOptions): SlotTransformer {
  return new SlotTransformer({
    width,
    layers,
    condition: width,
    attention: { heads, ...(queryKeyNorm && { queryKeyNorm: rmsNorm() }) },
    mlp: swiglu(swigluWidth(width)),
    positions: unplaced(),
  })
}

/**
 * Next-scale prediction: all values of a scale at once, each slot fed with what the tokenizer carries over from the coarser scales; the class starts
 * the first and conditions every layer. VAR, NFIG and FlexVAR differ in what is carried and in what tells slots where they stand.
 */
export class ScaleNetwork implements IdsNetwork, ImageNetwork, ScaleModules {
  readonly start: Variable
  readonly label: Embedding
  readonly carried: Linear
  readonly places: ScalePlaces
  readonly backbone: SlotTransformer
  readonly head: MultiCategoricalHead
  readonly plan: Plan
  readonly layout: Layout
  readonly vocabulary: readonly number[]
  readonly classes: number
  readonly labelDrop: number
  /** Private, so that its variables are not the network's to train. */
  readonly #tokenizer: ScaleTokenizer

  constructor(modules: ScaleModules, tokenizer: ScaleTokenizer, { classes, labelDrop }: { classes: number; labelDrop: number }) {
    const { start, label, carried, places, backbone, head } = modules
    this.start = start
    this.label = label
    this.carried = carried
    this.places = places
    this.backbone = backbone
    this.head = head
    this.layout = tokenizer.layout
    this.plan = scales().plan(tokenizer.layout)
    this.vocabulary = vocabularyOf(tokenizer, 'a network of scales')
    this.classes = classes
    this.labelDrop = labelDrop
    this.#tokenizer = tokenizer
  }

  get inputs(): Inputs {
    return idsInputs(this, 'B')
  }

  embed({ values, label }: Traced): EmbeddedSlots {
    return this.embedCarried(this.#tokenizer.carry(values!), label!)
  }

  /** Slots fed with what is carried `[batch, value, embeddingWidth]`, under labels `[batch]`. */
  protected embedCarried(carry: Tensor, label: Tensor): EmbeddedSlots {
    const condition = unsqueeze(this.label.forward(label), 1)
    const sources = { start: add(condition, this.start), carried: this.carried.forward(carry) }
    const embedded = embedSlots(this.plan, sources, label.shape[0]!)
    return { condition, embedded: add(embedded, this.places.forward(this.layout)) }
  }

  readout({ hidden }: Pick<BackboneOutput, 'hidden'>): Traced {
    return { logits: this.head.logits(hidden) }
  }

  trainingInputs(batch: number): Inputs {
    return idsInputs(this, batch)
  }

  feed(samples: CodeBatch, labels: Int32Array, _rng: Rng): Readonly<Record<string, FeedValue>> {
    return idsFeed(samples, labels)
  }

  loss(inputs: Traced): { readonly total: Tensor } {
    return { total: idsLoss(this, inputs) }
  }

  logProb(values: Tensor, label: Tensor): Tensor {
    return idsLogProb(this, { values, label })
  }

  openSampler(device: Device): ImageSampler {
    return new IdsSampler(this, device)
  }
}
