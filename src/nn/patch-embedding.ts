import { OptionError } from '../base/errors.ts'
import { add, constant, gather, parameter, reshape, type Tensor, transpose, type Variable } from '../tensor/index.ts'
import { fanInUniform, normal } from './initializers.ts'
import { Linear } from './linear.ts'

export interface PatchEmbeddingOptions {
  /** Values of a patch. */
  readonly patch: number
  /** Values between the beginnings of patches. */
  readonly stride: number
  /** Values of a series. */
  readonly length: number
}

/** Stretches of series as tokens, in learnt positions; the last value is repeated for one more stride. Nie et al. 2023 (PatchTST), section 3.1. */
export class PatchEmbedding {
  readonly projection: Linear
  readonly positions: Variable
  /** Patches of a series. */
  readonly count: number
  readonly #options: PatchEmbeddingOptions

  /** Throws OptionError on a patch longer than the series, and on a stride longer than a patch, which would pass values over. */
  constructor(width: number, options: PatchEmbeddingOptions) {
    const { patch, stride, length } = options
    if (patch > length)
      throw new OptionError(`patches of ${patch} values of series of ${length}`, { expected: `at most ${length}` })
    if (stride > patch) throw new OptionError(`a stride of ${stride} with patches of ${patch}`, { expected: `at most ${patch}` })
    this.#options = options
    this.count = Math.floor((length - patch) / stride) + 2
    this.projection = new Linear(patch, width, fanInUniform(patch))
    this.positions = parameter([this.count, width], normal(0.02))
  }

  /** `[batch, time, series]` → `[batch·series, patch, width]`. */
  forward(x: Tensor): Tensor {
    const { patch, stride, length } = this.#options
    const index = (i: number) => Math.min(length - 1, Math.floor(i / patch) * stride + (i % patch))
    const places = Int32Array.from({ length: this.count * patch }, (_, i) => index(i))
    const indices = constant(places, [places.length], 'int32')
    const values = gather(transpose(x, [0, 2, 1]), indices, 2)
    return add(this.projection.forward(reshape(values, [-1, this.count, patch])), this.positions)
  }
}
