import type { Unit } from '../../base/codes.ts'
import type { Layout } from '../../base/model.ts'
import type { PictureSize } from '../../base/pictures.ts'
import type { Assignment, Tensor } from '../../tensor/index.ts'
import type { CarryKind } from './scale-carry.ts'

/** Numbers that a training step is fed at random, one independent draw each. */
export interface NoiseSpec {
  readonly kind: 'uniform' | 'normal'
  /** Without the batch. */
  readonly shape: readonly number[]
}

export interface TokenizerLoss {
  readonly total: Tensor
  readonly parts: Readonly<Record<string, Tensor>>
  /** New values of what no gradient trains: codebooks, usage counts. */
  readonly updates?: readonly Assignment[]
}

/**
 * Pictures ⇄ code values, as traced functions: an object of a class whose fields are its variables (a module). Pictures are float
 * `[batch, channel, y, x]` from −1 to 1; values are int32 `[batch, value, id]` or float `[batch, value, number]`, as `unit` says.
 * `encodePictures` and `decodeCodes` run these functions over host arrays.
 */
export interface ImageTokenizer {
  /** Names the class in saved files. */
  readonly kind: string
  readonly picture: PictureSize
  readonly unit: Unit
  /** Parts of shape `[y, x]`: one grid, or several scales, coarse ones first. */
  readonly layout: Layout
  /** Width of `embed`. */
  readonly embeddingWidth: number
  /** Noise that `losses` takes, by name; none when absent. */
  readonly noise?: Readonly<Record<string, NoiseSpec>>
  encode(pictures: Tensor): Tensor
  /** Pictures from the values that are known (float `[batch, value]`, 1 or 0): any set of them decodes. What is unknown counts as average. */
  decode(values: Tensor, known: Tensor): Tensor
  /** What a network is told of each value, `[batch, value, embeddingWidth]`: codebook rows, bits, vectors. */
  embed(values: Tensor): Tensor
  /**
   * What the values of earlier parts say at the places of each part, `[batch, value, embeddingWidth]`; zeros in the first. Never depends on
   * values of the same or a later part. Only tokenizers of several parts have it.
   */
  carry?(values: Tensor): Tensor
  /** What `carry` carries. */
  readonly carryKind?: CarryKind
  /**
   * This tokenizer, its variables shared, for other grids, coarse ones first; the last decides how large pictures are. Only tokenizers whose parts are
   * whole pictures (`latest`) have it. Throws OptionError when the grids do not grow.
   */
  withScales?(scales: readonly (readonly [height: number, width: number])[]): ImageTokenizer
  /** Training: what to minimise. Absent where nothing is trained. */
  losses?(pictures: Tensor, noise: Readonly<Record<string, Tensor>>): TokenizerLoss
  /** Plain JSON from which `buildImageTokenizer` makes the same tokenizer, without its weights. */
  toJSON(): ImageTokenizerFile
}

export interface ImageTokenizerFile {
  readonly kind: string
  readonly [field: string]: unknown
}
