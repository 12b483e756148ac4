import * as v from 'valibot'
import type { CodeBatch } from '../../base/codes.ts'
import { MismatchError } from '../../base/errors.ts'
import type { Layout } from '../../base/model.ts'
import type { Rng } from '../../base/rng.ts'
import { type DiffusionHead, diffusionHead } from '../../heads/index.ts'
import { glorotUniform, Linear, type Traced, zeros } from '../../nn/index.ts'
import { mostlyMasked, type TruncatedNormal } from '../../orders/index.ts'
import type { Device } from '../../platform/index.ts'
import { type Dimension, divide, float32, type Inputs, int32, multiply, subtract, sum, type Tensor } from '../../tensor/index.ts'
import type { ImageContext, ImageNetwork } from '../image-system.ts'
import { count, layerCount, positive, share } from '../read-config.ts'
import { valueCount } from './choose-codes.ts'
import { MarSampler, type MaskedVectorNetwork } from './mar-sampler.ts'
import { drawKnown } from './mask-feed.ts'
import { MaskedBackbone, maskedEntries } from './masked-backbone.ts'
import { checkScaled } from './vectors.ts'

export const marSchema = v.strictObject({
  ...maskedEntries,
  rateCondition: v.optional(v.boolean(), false),
  /** The smallest share of values that training masks; shares are normal about 1, with deviation ¼. */
  leastMasked: v.optional(share, mostlyMasked.least),
  /** Width of the head's layers. */
  headWidth: v.optional(count, 128),
  headLayers: v.optional(layerCount, 3),
  /** What the head says of noisy vectors; see `diffusionHead`. */
  predicts: v.optional(v.picklist(['eps', 'v']), 'v'),
  /** What a step of sampling predicts of clean vectors is kept within ± this. Small networks that say ε need it. */
  clip: v.optional(positive),
  /** Noises of each vector in a training step: the head is cheap beside the layers before it. */
  draws: v.optional(count, 4),
})

export type MarOptions = v.InferOutput<typeof marSchema>

/**
 * Predicts masked vectors from those that are known, each by a diffusion under its own hidden state. Inputs: `values` float
 * `[batch, value, dimension]`, `known` float `[batch, value]`, `label` int `[batch]`; in training also `noise` `[draw, batch, value, dimension]` and
 * `timestep` `[draw, batch, value]`.
 */
export class MarNetwork implements MaskedVectorNetwork, ImageNetwork {
  readonly input: Linear
  readonly body: MaskedBackbone
  readonly head: DiffusionHead
  readonly layout: Layout
  readonly dimension: number
  readonly width: number
  readonly classes: number
  readonly labelDrop: number
  readonly clip?: number
  readonly #draws: number
  readonly #rate: TruncatedNormal

  /** Throws MismatchError when the tokenizer gives no vectors. */
  constructor(system: string, options: MarOptions, { tokenizer: { unit, kind, layout }, classes }: ImageContext) {
    const { width, headWidth, headLayers, predicts, clip, draws, labelDrop } = options
    if (unit.kind !== 'vectors') {
      throw new MismatchError(`${system} predicts vectors, and the tokenizer ${kind} gives ids`, {
        fix: 'take a tokenizer such as vae or patches',
      })
    }
    this.layout = layout
    this.dimension = unit.dimension
    this.width = width
    this.classes = classes
    this.labelDrop = labelDrop
    if (clip !== undefined) this.clip = clip
    this.#draws = draws
    this.#rate = { ...mostlyMasked, least: options.leastMasked }
    this.input = new Linear(unit.dimension, width, { weight: glorotUniform, bias: zeros })
    this.body = new MaskedBackbone(layout, classes, { ...options, compress: 1 })
    this.head = diffusionHead(width, unit.dimension, { hidden: headWidth, layers: headLayers, predicts })
  }

  inputsFor(batch: Dimension | string): Inputs {
    const values = valueCount(this)
    return { values: float32(batch, values, this.dimension), known: float32(batch, values), label: int32(batch) }
  }

  hidden({ values, known, label }: Traced): Tensor {
    return this.body.forward({ embedded: this.input.forward(values!), known: known!, label: label! })
  }

  trainingInputs(batch: number): Inputs {
    const vectors = [this.#draws, batch, valueCount(this)] as const
    return { ...this.inputsFor(batch), noise: float32(...vectors, this.dimension), timestep: int32(...vectors) }
  }

  feed({ data, count: samples }: CodeBatch, label: Int32Array, rng: Rng) {
    const known = drawKnown({ samples, values: valueCount(this), rate: this.#rate }, rng)
    const vectors = this.#draws * known.length
    const [times, steps] = [rng.fold('timestep'), this.head.alphas.length]
    return {
      values: data as Float32Array,
      known,
      label,
      noise: rng.fold('noise').fillNormal(new Float32Array(vectors * this.dimension)),
      timestep: Int32Array.from({ length: vectors }, (_, i) => times.integerAt(i, steps)),
    }
  }

  /** Mean error of what the head says of masked vectors. */
  loss(inputs: Traced) {
    const { values, known, noise, timestep } = inputs as Readonly<Record<'values' | 'known' | 'noise' | 'timestep', Tensor>>
    const masked = subtract(1, known)
    const errors = this.head.loss(this.hidden(inputs), values, { noise, timestep })
    return { total: divide(sum(multiply(errors, masked)), sum(masked)) }
  }

  checkSamples(samples: CodeBatch): void {
    checkScaled(samples)
  }

  openSampler(device: Device): MarSampler {
    return new MarSampler(this, device)
  }
}
