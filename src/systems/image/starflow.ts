import * as v from 'valibot'
import type { CodeBatch } from '../../base/codes.ts'
import { OptionError } from '../../base/errors.ts'
import type { Layout } from '../../base/model.ts'
import { positive } from '../../base/options.ts'
import type { Rng } from '../../base/rng.ts'
import { pictureStep } from '../../metrics/index.ts'
import type { Device } from '../../platform/index.ts'
import { divide, float32, int32, mean, multiply, subtract, type Tensor } from '../../tensor/index.ts'
import type { ImageTokenizer } from '../../tokenizers/index.ts'
import { FlowSampler } from '../image-engines/flow/flow-sampler.ts'
import { FlowStack } from '../image-engines/flow/flow-stack.ts'
import { vectorTraits } from '../image-engines/vectors.ts'
import type { ImageNetwork, ImageSystem } from '../image-system.ts'
import { count, layerCount, parseConfig } from '../read-config.ts'

export type { CalibrationData, FlowOptions } from '../image-engines/flow/flow-request.ts'
export { type FlowReport, FlowSampler } from '../image-engines/flow/flow-sampler.ts'
export { FlowStack, type FlowStackOptions } from '../image-engines/flow/flow-stack.ts'
export type { Inverse, InverseRequest } from '../image-engines/flow/inverse-plan.ts'
export type { Incident } from '../image-engines/flow/invert.ts'
export type { BlockMetrics } from '../image-engines/flow/measure.ts'

const optionsSchema = v.strictObject({
  width: count,
  heads: count,
  /** Transformer layers of each block, from the data to the noise; the last block is the deep one. */
  layers: v.pipe(v.array(layerCount), v.minLength(1), v.maxLength(64)),
  /** Which blocks know the class. */
  conditioned: v.optional(v.picklist(['deep', 'all']), 'deep'),
  /** σ of a number a of the network: exp(a), or softplus(a + softplus⁻¹(1)). */
  scale: v.optional(v.picklist(['exp', 'softplus']), 'softplus'),
  positions: v.optional(v.picklist(['learned', 'rotary']), 'learned'),
  /**
   * What training adds to values: `uniform` noise as wide as one of 256 levels, for exact likelihoods of 8-bit pixels; or Gaussian noise of
   * this deviation, for better samples, out of which it is taken at the end.
   */
  noise: v.optional(v.union([v.literal('uniform'), v.strictObject({ gaussian: positive })]), 'uniform'),
  /** Share of labels that training drops. */
  labelDrop: v.optional(v.pipe(v.number(), v.minValue(0), v.maxValue(1)), 0.1),
})

export type StarflowOptions = v.InferOutput<typeof optionsSchema>

const shared = { conditioned: 'deep', scale: 'softplus', positions: 'learned', labelDrop: 0.1 } as const

/** Autoregressive affine flows with one deep block and shallow ones: Gu et al. 2025; of equal depth: TARFlow, Zhai et al. 2025. */
const starflow: ImageSystem<StarflowOptions> = {
  kind: 'image',
  id: 'starflow',
  source: 'Gu et al. 2025, STARFlow: Scaling Latent Normalizing Flows for High-resolution Image Synthesis',
  presets: {
    /** 0.5M parameters. */
    tiny: { ...shared, width: 96, heads: 4, layers: [1, 1, 2], noise: 'uniform' },
    /** 1.7M parameters. */
    small: { ...shared, width: 128, heads: 4, layers: [1, 1, 1, 1, 4], noise: 'uniform' },
  },
  readOptions: (value) => parseConfig(optionsSchema, value, 'starflow'),
  build(options, { tokenizer, classes }) {
    return new FlowNetwork(parseConfig(optionsSchema, options, 'starflow'), tokenizer, classes)
  },
}
export default starflow

class FlowNetwork implements ImageNetwork {
  readonly flow: FlowStack
  readonly classes: number
  readonly labelDrop: number
  readonly #noise: StarflowOptions['noise']
  readonly #layout: Layout

  constructor({ labelDrop, noise, ...options }: StarflowOptions, tokenizer: ImageTokenizer, classes: number) {
    const { layout, dimension } = vectorTraits(tokenizer, 'starflow', 'one')
    const { kind } = tokenizer
    if (noise === 'uniform' && kind !== 'patches')
      throw new OptionError(`uniform noise for the values of the tokenizer '${kind}'`, {
        expected: "pixels, as 'patches' gives them",
        fix: 'use noise: { gaussian: 0.3 }',
      })
    this.flow = new FlowStack({ ...options, layout, dimension, classes })
    this.classes = classes
    this.labelDrop = classes === 0 ? 0 : labelDrop
    this.#noise = noise
    this.#layout = layout
  }

  trainingInputs(batch: number) {
    return { values: float32(batch, this.flow.slots, this.flow.dimension), labels: int32(batch) }
  }

  feed({ data }: CodeBatch, labels: Int32Array, rng: Rng) {
    return { values: this.#noised(data as Float32Array, rng.fold('noise')), labels }
  }

  /** Nats per number, and with uniform noise bits per pixel. */
  loss({ values, labels }: Readonly<Record<string, Tensor>>) {
    const nats = multiply(mean(this.logProb(values!, labels!)), -1 / (this.flow.slots * this.flow.dimension))
    if (this.#noise !== 'uniform') return { total: nats }
    return { total: nats, parts: { bits: divide(subtract(nats, Math.log(pictureStep)), Math.LN2) } }
  }

  openSampler(device: Device): FlowSampler {
    const noise = this.#noise === 'uniform' ? 0 : this.#noise.gaussian
    return new FlowSampler(this.flow, { layout: this.#layout, device, noise, guidable: this.classes > 0 && this.labelDrop > 0 })
  }

  logProb(values: Tensor, labels: Tensor): Tensor {
    return this.flow.logProb(values, labels)
  }

  #noised(values: Float32Array, rng: Rng): Float32Array {
    const noise = new Float32Array(values.length)
    if (this.#noise === 'uniform') {
      rng.fillUniform(noise)
      return values.map((value, i) => value + (noise[i]! - 0.5) * pictureStep)
    }
    const { gaussian } = this.#noise
    rng.fillNormal(noise)
    return values.map((value, i) => value + noise[i]! * gaussian)
  }
}
