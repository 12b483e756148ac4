import { ShapeError } from '../base/errors.ts'
import { refuseUnknown } from '../base/options.ts'
import type { PictureSize } from '../base/pictures.ts'
import { Conv2d } from '../nn/convolution.ts'
import { Linear, zeros } from '../nn/index.ts'
import { checkSizes } from '../nn/sizes.ts'
import { gelu, relu, reshape, type Tensor, type TensorOperand } from '../tensor/index.ts'
import { describeType, toTensor } from '../tensor/tensor.ts'

export interface PictureClassifierOptions extends PictureSize {
  /** How many classes there are. */
  readonly classes: number
}

/** Numbers per picture that `PictureClassifier` hands to Fréchet distances. */
export const featureWidth = 64

/**
 * A small convolutional network for pictures of about 28 to 64 pixels: three convolutions that halve the sides, 64 features, one logit
 * per class. It judges generated pictures: Fréchet distances between its features, and how often it sees the class that was asked for.
 * Use two with different seeds for these two, and neither where a generator is trained. Throws OptionError on sizes below 1 or unknown
 * options.
 */
export class PictureClassifier {
  readonly convolutions: readonly Conv2d[]
  readonly features: Linear
  readonly head: Linear
  readonly options: PictureClassifierOptions

  constructor(options: PictureClassifierOptions) {
    refuseUnknown(options, ['channels', 'height', 'width', 'classes'], 'PictureClassifier')
    const { channels, height, width, classes } = options
    checkSizes({ channels, height, width, classes })
    this.options = { channels, height, width, classes }
    this.convolutions = [
      new Conv2d(channels, 16, { kernel: 5, stride: 2 }),
      new Conv2d(16, 32, { stride: 2 }),
      new Conv2d(32, 64, { stride: 2 }),
    ]
    this.features = new Linear(64 * eighth(height) * eighth(width), featureWidth, { bias: zeros })
    this.head = new Linear(featureWidth, classes, { bias: zeros })
  }

  /**
   * Float pictures `[batch, channel, y, x]` from −1 to 1 → features `[batch, 64]`, after their nonlinearity, and logits `[batch, class]`.
   * Throws ShapeError on pictures of other sizes.
   */
  forward(pictures: TensorOperand): { readonly features: Tensor; readonly logits: Tensor } {
    const x = toTensor(pictures)
    const { channels, height, width } = this.options
    if (x.rank !== 4 || [channels, height, width].some((size, i) => x.shape[i + 1] !== size))
      throw new ShapeError(`pictures ${describeType(x)}`, { expected: `[batch, ${channels}, ${height}, ${width}]` })
    const maps = this.convolutions.reduce((map, convolution) => relu(convolution.forward(map)), x)
    // GELU, as features that a ReLU has silenced for good would have no variance.
    const features = gelu(this.features.forward(reshape(maps, [-1, 64 * eighth(height) * eighth(width)])))
    return { features, logits: this.head.forward(features) }
  }
}

/** A side after three convolutions of stride 2 that keep every other pixel, the first included. */
function eighth(side: number): number {
  return Math.ceil(side / 8)
}
