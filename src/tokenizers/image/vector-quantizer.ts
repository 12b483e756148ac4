import type { Unit } from '../../base/codes.ts'
import { mean, multiply, reshape, square, squeeze, stopGradient, subtract, type Tensor, unsqueeze } from '../../tensor/index.ts'
import { type Bottleneck, type BottleneckLoss, straightThrough } from './bottleneck.ts'
import { Codebook, type CodebookOptions } from './codebook.ts'
import type { NoiseSpec } from './image-tokenizer.ts'

/** Each latent vector becomes the nearest row of a codebook. van den Oord et al. 2017. */
export class VectorQuantizer implements Bottleneck {
  readonly codebook: Codebook
  readonly unit: Unit
  readonly inputs: number
  readonly width: number
  /** How much latents are drawn towards their rows. */
  readonly #commitment: number

  constructor(options: CodebookOptions, commitment: number) {
    this.codebook = new Codebook(options)
    this.unit = { kind: 'ids', vocabulary: [options.codes] }
    this.inputs = options.dimension
    this.width = options.dimension
    this.#commitment = commitment
  }

  noise(places: number): Readonly<Record<string, NoiseSpec>> {
    return { picks: { kind: 'uniform', shape: [places] } }
  }

  encode(latents: Tensor): Tensor {
    return unsqueeze(this.codebook.nearest(this.codebook.comparable(latents)), -1)
  }

  embed(values: Tensor): Tensor {
    return this.codebook.lookup(squeeze(values, -1))
  }

  restore(values: Tensor): Tensor {
    return this.embed(values)
  }

  average(): Tensor {
    return this.codebook.average()
  }

  train(latents: Tensor, { picks }: Readonly<Record<string, Tensor>>): BottleneckLoss {
    const vectors = this.codebook.comparable(latents)
    const ids = this.codebook.nearest(vectors)
    const rows = this.codebook.lookup(ids)
    const { updates, share } = this.codebook.learn(reshape(vectors, [-1, this.width]), reshape(ids, [-1]), reshape(picks!, [-1]))
    const distance = mean(square(subtract(vectors, stopGradient(rows))))
    return {
      restored: straightThrough(vectors, rows),
      penalties: { commitment: multiply(distance, this.#commitment) },
      reports: { usage: share },
      updates,
    }
  }
}
