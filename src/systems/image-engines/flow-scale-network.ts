import * as v from 'valibot'
import { type CodeBatch, countValues } from '../../base/codes.ts'
import { MismatchError } from '../../base/errors.ts'
import type { Layout, Plan } from '../../base/model.ts'
import type { Rng } from '../../base/rng.ts'
import { type FlowHead, flowHead } from '../../heads/index.ts'
import {
  type BackboneOutput,
  type EmbeddedSlots,
  Embedding,
  embedSlots,
  Linear,
  normal,
  planReadout,
  rmsNorm,
  rotaryAxes,
  SlotTransformer,
  swiglu,
  type Traced,
  zeros,
} from '../../nn/index.ts'
import { scales } from '../../orders/index.ts'
import type { Device } from '../../platform/index.ts'
import { add, float32, type Inputs, int32, mean, parameter, type Tensor, unsqueeze, type Variable } from '../../tensor/index.ts'
import type { ImageTokenizer } from '../../tokenizers/index.ts'
import type { ImageContext, ImageNetwork } from '../image-system.ts'
import { count, layerCount, share } from '../read-config.ts'
import { fittingTokenizer } from './fit-tokenizer.ts'
import { FlowScaleSampler, type HiddenScaleNetwork } from './flow-scale-sampler.ts'
import { LearnedPlaces, type ScalePlaces } from './scale-places.ts'
import { swigluWidth } from './token-network.ts'
import { checkScaled } from './vectors.ts'

export const flowScaleSchema = v.strictObject({
  width: v.optional(count, 96),
  layers: v.optional(layerCount, 4),
  heads: v.optional(count, 4),
  /** Width of the head's layers. */
  headWidth: v.optional(count, 96),
  headLayers: v.optional(layerCount, 2),
  /** Share of labels that training drops. */
  labelDrop: v.optional(share, 0.1),
  /** Whether scales may be others than each twice as high and wide as the one before. */
  free: v.optional(v.boolean(), false),
})

export type FlowScaleOptions = v.InferOutput<typeof flowScaleSchema>

type Carry = NonNullable<ImageTokenizer['carry']>

/**
 * Scale after scale of vectors: the backbone says a hidden state for every place of a scale from the coarser ones, and a small transformer over the
 * places of the scale carries noise to their vectors. Ren et al. 2024 (FlowAR). What each scale is fed with comes from the tokenizer. Inputs: `values`
 * float `[B, value, dimension]`, `label` int32 `[B]`.
 */
export class FlowScaleNetwork implements ImageNetwork, HiddenScaleNetwork {
  /** Added to the class where the first scale is fed, `[1, 1, width]`. */
  readonly start: Variable
  readonly label: Embedding
  readonly carried: Linear
  readonly places: ScalePlaces
  readonly backbone: SlotTransformer
  readonly head: FlowHead
  readonly plan: Plan
  readonly layout: Layout
  readonly dimension: number
  readonly classes: number
  readonly labelDrop: number
  /** Of the tokenizer, whose variables are not the network's to train. */
  readonly #carry: Carry

  /** Throws MismatchError when the tokenizer's values are not vectors of several scales, or its scales not those that are allowed. */
  constructor(options: FlowScaleOptions, { tokenizer, classes }: ImageContext) {
    const { width, layers, heads, headWidth, headLayers, labelDrop, free } = options
    const fitting = fittingTokenizer('flowar', tokenizer, { unit: 'vectors', parts: 'carried' })
    const { layout, unit } = fitting
    if (!free) checkDoubling(tokenizer)
    this.#carry = fitting.carry.bind(fitting)
    this.layout = layout
    this.dimension = unit.dimension
    this.plan = scales().plan(layout)
    this.classes = classes
    this.labelDrop = labelDrop
    this.start = parameter([1, 1, width], normal(0.02))
    this.label = new Embedding(classes + 1, width)
    this.carried = new Linear(unit.dimension, width, { weight: normal(1 / Math.sqrt(unit.dimension)), bias: zeros })
    this.places = new LearnedPlaces(layout, width)
    this.backbone = new SlotTransformer({
      width,
      layers,
      condition: width,
      attention: { heads, queryKeyNorm: rmsNorm() },
      mlp: swiglu(swigluWidth(width)),
      positions: rotaryAxes([1, 2]),
    })
    this.head = flowHead(width, unit.dimension, { scope: 'group', hidden: headWidth, layers: headLayers, heads })
  }

  get inputs(): Inputs {
    return { values: float32('B', countValues(this.layout), this.dimension), label: int32('B') }
  }

  embed({ values, label }: Traced): EmbeddedSlots {
    const condition = unsqueeze(this.label.forward(label!), 1)
    const fed = { start: add(condition, this.start), carried: this.carried.forward(this.#carry(values!)) }
    return { condition, embedded: add(embedSlots(this.plan, fed, values!.shape[0]!), this.places.forward(this.layout)) }
  }

  readout({ hidden }: Pick<BackboneOutput, 'hidden'>): Traced {
    return { hidden }
  }

  trainingInputs(batch: number): Inputs {
    const values = float32(batch, countValues(this.layout), this.dimension)
    return { values, noise: values, time: float32(batch), label: int32(batch) }
  }

  /** One time for all scales of a sample, uniform. */
  feed({ data, count: samples }: CodeBatch, labels: Int32Array, rng: Rng) {
    const noise = rng.fold('noise').fillNormal(new Float32Array(data.length))
    return { values: data as Float32Array, noise, time: rng.fold('time').fillUniform(new Float32Array(samples)), label: labels }
  }

  /** Mean squared error of the velocity over all values: the mean of each scale, weighted by how many values it has. */
  loss({ values, label, noise, time }: Traced): { readonly total: Tensor } {
    const { hidden } = planReadout(this, { values: values!, label: label! })
    const groups = this.layout.parts.map((part) => countValues({ parts: [part] }))
    return { total: mean(this.head.loss(hidden!, values!, { noise: noise!, time: unsqueeze(time!, 1), groups })) }
  }

  checkSamples(samples: CodeBatch): void {
    checkScaled(samples)
  }

  openSampler(device: Device): FlowScaleSampler {
    return new FlowScaleSampler(this, device)
  }
}

function checkDoubling({ layout: { parts }, kind }: ImageTokenizer): void {
  const wrong = parts.findIndex(({ shape }, k) => k > 0 && shape.some((size, axis) => size !== 2 * parts[k - 1]!.shape[axis]!))
  if (wrong < 0) return
  const [before, after] = [wrong - 1, wrong].map((k) => parts[k]!.shape.join('×'))
  throw new MismatchError(`flowar doubles scales, and the tokenizer ${kind} has one of ${after} after ${before}`, {
    fix: 'take a pyramid of scales that double, or set free: true',
  })
}
