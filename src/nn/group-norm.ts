import { OptionError, ShapeError } from '../base/errors.ts'
import { refuseUnknown } from '../base/options.ts'
import { formatShape } from '../tensor/dimension.ts'
import {
  add,
  expand,
  layerNorm,
  multiply,
  parameter,
  reshape,
  scalar,
  type Tensor,
  type TensorOperand,
  type Variable,
} from '../tensor/index.ts'
import { toTensor } from '../tensor/tensor.ts'
import { perChannel } from './convolution.ts'
import { ones, zeros } from './initializers.ts'
import { checkSizes } from './sizes.ts'

export interface GroupNormOptions {
  /** Default 1e-5. */
  readonly epsilon?: number
}

/**
 * Group normalisation: mean 0 and variance 1 over the places and channels of each group of a picture, then `weight` and `bias` per
 * channel. Wu & He 2018. Throws OptionError when the groups do not divide the channels, or on a bad epsilon or unknown options.
 */
export class GroupNorm {
  readonly weight: Variable
  readonly bias: Variable
  readonly #groups: number
  readonly #channels: number
  readonly #epsilon: number

  constructor(groups: number, channels: number, options: GroupNormOptions = {}) {
    refuseUnknown(options, ['epsilon'], 'GroupNorm')
    checkSizes({ groups, channels })
    const { epsilon = 1e-5 } = options
    if (!(epsilon >= 0 && epsilon < Number.POSITIVE_INFINITY))
      throw new OptionError(`epsilon is ${epsilon}`, { expected: 'a finite number ≥ 0' })
    if (channels % groups !== 0) throw new OptionError(`${groups} groups of ${channels} channels`, { expected: 'a divisor' })
    this.weight = parameter([channels], ones)
    this.bias = parameter([channels], zeros)
    this.#groups = groups
    this.#channels = channels
    this.#epsilon = epsilon
  }

  /** `[batch, channel, y, x]` → the same shape. */
  forward(x: TensorOperand): Tensor {
    const tensor = toTensor(x)
    const [batch, channels, height, width] = tensor.shape
    if (tensor.rank !== 4 || channels !== this.#channels || typeof height !== 'number' || typeof width !== 'number')
      throw new ShapeError(`group norm of ${formatShape(tensor.shape)}`, { expected: `[batch, ${this.#channels}, y, x]` })
    const size = (this.#channels / this.#groups) * height * width
    const groups = reshape(tensor, [batch!, this.#groups, size])
    const normed = layerNorm(groups, expand(scalar(1, tensor.dtype), [size]), undefined, this.#epsilon)
    return add(multiply(reshape(normed, tensor.shape), perChannel(this.weight)), perChannel(this.bias))
  }
}
