import * as v from 'valibot'
import { type CodeBatch, countValues } from '../../base/codes.ts'
import { type Layout, type Plan, roles } from '../../base/model.ts'
import type { Rng } from '../../base/rng.ts'
import {
  type BackboneOutput,
  type EmbeddedSlots,
  Embedding,
  Linear,
  normal,
  planReadout,
  rotaryAxes,
  SlotTransformer,
  swiglu,
  TimeEmbedding,
  type Traced,
  zeros,
} from '../../nn/index.ts'
import { type CellOptions, cells, groupsOf } from '../../orders/index.ts'
import type { Device } from '../../platform/index.ts'
import {
  add,
  concat,
  constant,
  float32,
  gather,
  type Inputs,
  int32,
  mean,
  multiply,
  parameter,
  square,
  subtract,
  type Tensor,
  unsqueeze,
  type Variable,
} from '../../tensor/index.ts'
import type { ImageContext, ImageNetwork } from '../image-system.ts'
import { count, layerCount, share } from '../read-config.ts'
import type { LabelTraits } from './arms.ts'
import { planFor } from './fit-tokenizer.ts'
import { gridAxes } from './grid-axes.ts'
import { NoisySampler } from './noisy-sampler.ts'
import { swigluWidth } from './token-network.ts'
import { checkScaled, type VectorTraits, vectorTraits } from './vectors.ts'

export const noisySchema = v.strictObject({
  width: v.optional(count, 96),
  layers: v.optional(layerCount, 4),
  heads: v.optional(count, 4),
  /** Share of labels that training drops. */
  labelDrop: v.optional(share, 0.1),
})

export type NoisyOptions = v.InferOutput<typeof noisySchema>

/**
 * Denoises group after group with the whole backbone: every slot says the velocity ε − x of its noised value (1 − t)·x + t·ε, under a condition of
 * the class and of its own time. Groups see earlier ones noised, each at its own time, or clean copies of them. Ren et al. 2025 (xAR); Hu et al. 2024
 * (ACDiT). Inputs: `noisy` float `[B, value, dimension]`, `time` float `[B, value]`, `label` int32 `[B]`; for plans with clean copies also `values`.
 */
export class NoisyNetwork implements ImageNetwork, LabelTraits, VectorTraits {
  readonly input: Linear
  /** What tells values where they stand, `[value, width]`. */
  readonly places: Variable
  readonly label: Embedding
  readonly time: TimeEmbedding
  readonly backbone: SlotTransformer
  readonly output: Linear
  readonly plan: Plan
  readonly layout: Layout
  readonly dimension: number
  readonly classes: number
  readonly labelDrop: number

  /** Throws MismatchError when the tokenizer gives no vectors, or they cannot be divided so. */
  constructor(order: CellOptions, { width, layers, heads, labelDrop }: NoisyOptions, { tokenizer, classes }: ImageContext) {
    const divided = order.unit === 'cell' || order.unit === 'subsample'
    const { layout, dimension } = vectorTraits(tokenizer, 'xar', divided ? 'one' : undefined)
    this.layout = layout
    this.dimension = dimension
    this.plan = planFor('xar', cells(order), tokenizer)
    this.classes = classes
    this.labelDrop = labelDrop
    this.input = new Linear(dimension, width, { weight: normal(1 / Math.sqrt(dimension)), bias: zeros })
    this.places = parameter([countValues(layout), width], normal(0.02))
    this.label = new Embedding(classes + 1, width)
    this.time = new TimeEmbedding(width, { scale: 1000 })
    this.backbone = new SlotTransformer({
      width,
      layers,
      condition: width,
      attention: { heads },
      mlp: swiglu(swigluWidth(width)),
      positions: rotaryAxes(gridAxes(layout, this.plan)),
    })
    this.output = new Linear(width, dimension, { weight: zeros, bias: zeros })
  }

  get inputs(): Inputs {
    const values = float32('B', countValues(this.layout), this.dimension)
    const time = float32('B', countValues(this.layout))
    return { noisy: values, time, label: int32('B'), ...(this.#copies && { values }) }
  }

  embed({ noisy, values, time, label }: Traced): EmbeddedSlots {
    const size = countValues(this.layout)
    const own = add(this.input.forward(noisy!), this.places)
    const times = values === undefined ? time! : concat([time!, multiply(time!, 0)], 1)
    const rows = values === undefined ? own : concat([own, add(this.input.forward(values), this.places)], 1)
    const { role, source } = this.plan
    const index = indices(source.map((value, slot) => (role[slot] === roles.noisy ? value : size + value)))
    return {
      embedded: gather(rows, index, 1),
      condition: add(unsqueeze(this.label.forward(label!), 1), this.time.forward(gather(times, index, 1))),
    }
  }

  readout({ hidden }: Pick<BackboneOutput, 'hidden'>): Traced {
    return { velocity: this.output.forward(hidden) }
  }

  trainingInputs(batch: number): Inputs {
    const values = float32(batch, countValues(this.layout), this.dimension)
    return { values, noise: values, time: float32(batch, countValues(this.layout)), label: int32(batch) }
  }

  /** Times of groups are independent, sigmoid(N(0, 1)). */
  feed({ data, count: samples }: CodeBatch, labels: Int32Array, rng: Rng) {
    const time = new Float32Array(samples * countValues(this.layout))
    const groups = groupsOf(this.plan)
    for (let sample = 0; sample < samples; sample++)
      for (const [k, { slots }] of groups.entries()) {
        const level = 1 / (1 + Math.exp(-rng.fold('time').normalAt(sample * groups.length + k)))
        for (const slot of slots) time[sample * countValues(this.layout) + this.plan.source[slot]!] = level
      }
    return { values: data as Float32Array, noise: rng.fold('noise').fillNormal(new Float32Array(data.length)), time, label: labels }
  }

  /** Mean squared error of the velocity. */
  loss(inputs: Traced): { readonly total: Tensor } {
    const { values, noise, time, label } = inputs
    const level = unsqueeze(time!, -1)
    const noisy = add(multiply(values!, subtract(1, level)), multiply(noise!, level))
    const { velocity } = planReadout(this, { noisy, time: time!, label: label!, ...(this.#copies && { values: values! }) })
    const { target } = this.plan
    const predicting = [...target.keys()].filter((slot) => target[slot]! >= 0)
    const said = gather(velocity!, indices(predicting), 1)
    const wanted = gather(subtract(noise!, values!), indices(predicting.map((slot) => target[slot]!)), 1)
    return { total: mean(square(subtract(said, wanted))) }
  }

  checkSamples(samples: CodeBatch): void {
    checkScaled(samples)
  }

  openSampler(device: Device): NoisySampler {
    return new NoisySampler(this, device)
  }

  /** Are there clean copies beside the noisy slots? */
  get #copies(): boolean {
    return this.plan.role.includes(roles.clean)
  }
}

function indices(values: ArrayLike<number>): Tensor {
  return constant(Int32Array.from(values), [values.length], 'int32')
}
