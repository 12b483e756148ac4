import * as v from 'valibot'
import { type CodeBatch, countValues } from '../../base/codes.ts'
import type { Layout } from '../../base/model.ts'
import type { Rng } from '../../base/rng.ts'
import { type DiffusionHead, diffusionHead } from '../../heads/index.ts'
import { Embedding, glorotUniform, Linear, type Traced, zeros } from '../../nn/index.ts'
import { mostlyMasked } from '../../orders/index.ts'
import type { Device } from '../../platform/index.ts'
import {
  add,
  cast,
  concat,
  constant,
  type Dimension,
  divide,
  float32,
  type Inputs,
  int32,
  lessOrEqual,
  maximum,
  multiply,
  split,
  subtract,
  sum,
  type Tensor,
  unsqueeze,
} from '../../tensor/index.ts'
import type { ImageContext, ImageNetwork } from '../image-system.ts'
import { count, layerCount, positive, share } from '../read-config.ts'
import { MarSampler, type MaskedVectorNetwork } from './mar-sampler.ts'
import { drawKnown } from './mask-feed.ts'
import { MaskedBackbone, maskedEntries } from './masked-backbone.ts'
import { type Phase, phaseOf, phasesOfValues } from './phases.ts'
import { checkScaled, vectorTraits } from './vectors.ts'

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
 *
 * With several phases, those of later phases are hidden until all before them are known, and layers are told the phase. One training step masks in
 * every phase, each with all values of the phases before it known.
 */
export class MarNetwork implements MaskedVectorNetwork, ImageNetwork {
  readonly input: Linear
  readonly body: MaskedBackbone
  readonly head: DiffusionHead
  /** What layers are told of the phase; none of a single one. */
  readonly task?: Embedding
  readonly phases: readonly Phase[]
  readonly layout: Layout
  readonly dimension: number
  readonly width: number
  readonly classes: number
  readonly labelDrop: number
  readonly clip?: number
  readonly #draws: number

  /** Throws MismatchError when the tokenizer gives no vectors. */
  constructor(system: string, options: MarOptions, { tokenizer, classes }: ImageContext, phases?: readonly Phase[]) {
    const { width, headWidth, headLayers, predicts, clip, draws, labelDrop } = options
    const { layout, dimension } = vectorTraits(tokenizer, system)
    this.layout = layout
    this.dimension = dimension
    this.width = width
    this.classes = classes
    this.labelDrop = labelDrop
    if (clip !== undefined) this.clip = clip
    this.#draws = draws
    const rate = { ...mostlyMasked, least: options.leastMasked }
    this.phases = phases ?? [{ values: countValues(layout), rate, steps: 64, weight: 1 }]
    if (this.phases.length > 1) this.task = new Embedding(this.phases.length, width)
    this.input = new Linear(dimension, width, { weight: glorotUniform, bias: zeros })
    this.body = new MaskedBackbone(layout, classes, { ...options, compress: 1 })
    this.head = diffusionHead(width, dimension, { hidden: headWidth, layers: headLayers, predicts })
  }

  inputsFor(batch: Dimension | string): Inputs {
    const values = countValues(this.layout)
    return { values: float32(batch, values, this.dimension), known: float32(batch, values), label: int32(batch) }
  }

  hidden({ values, known, label }: Traced): Tensor {
    const embedded = this.input.forward(values!)
    if (this.task === undefined) return this.body.forward({ embedded, known: known!, label: label! })
    const phase = phaseOf(known!, this.phases)
    const begun = cast(lessOrEqual(this.#owners(), unsqueeze(phase, -1)), 'float32')
    return this.body.forward({ embedded, known: multiply(known!, begun), label: label!, task: this.task.forward(phase) })
  }

  trainingInputs(batch: number): Inputs {
    const vectors = [this.#draws, batch, countValues(this.layout)] as const
    return { ...this.inputsFor(batch), noise: float32(...vectors, this.dimension), timestep: int32(...vectors) }
  }

  feed({ data, count: samples }: CodeBatch, label: Int32Array, rng: Rng) {
    const known = drawKnown({ samples, phases: this.phases }, rng)
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

  /** Mean error of what the head says of masked vectors; of several phases, the weighted sum. */
  loss(inputs: Traced) {
    const { values, known, noise, timestep } = inputs as Readonly<Record<'values' | 'known' | 'noise' | 'timestep', Tensor>>
    const masked = subtract(1, known)
    const errors = this.head.loss(this.#trainingHidden(inputs), values, { noise, timestep })
    const [wrong, counts] = [this.#byPhase(multiply(errors, masked)), this.#byPhase(masked)]
    const means = this.phases.map(({ weight }, phase) => multiply(weight, divide(sum(wrong[phase]!), sum(counts[phase]!))))
    return { total: means.reduce((total, mean) => add(total, mean)) }
  }

  checkSamples(samples: CodeBatch): void {
    checkScaled(samples)
  }

  openSampler(device: Device): MarSampler {
    return new MarSampler(this, device)
  }

  /** The hidden states of each phase's values, seen from that phase: `[batch, value, width]`. Phases are further rows of one batch. */
  #trainingHidden(inputs: Traced): Tensor {
    if (this.task === undefined) return this.hidden(inputs)
    const { known, values, label } = inputs
    const rows = (tensor: Tensor) =>
      concat(
        this.phases.map(() => tensor),
        0,
      )
    const seen = this.phases.map((_, phase) => maximum(known!, cast(lessOrEqual(this.#owners(), phase - 1), 'float32')))
    const hidden = this.hidden({ values: rows(values!), label: rows(label!), known: concat(seen, 0) })
    const each = split(hidden, 0, this.phases.length)
    return concat(
      each.map((all, phase) => this.#byPhase(all)[phase]!),
      1,
    )
  }

  /** Of `[batch, value, …]`, the values of each phase. */
  #byPhase(all: Tensor): Tensor[] {
    return split(
      all,
      1,
      this.phases.map(({ values }) => values),
    )
  }

  /** The phase of each value, `[1, value]`. */
  #owners(): Tensor {
    const owners = phasesOfValues(this.phases)
    return constant(Int32Array.from(owners), [1, owners.length], 'int32')
  }
}
