import { OptionError, ShapeError } from '../base/errors.ts'
import { refuseUnknown } from '../base/options.ts'
import type { PictureSize } from '../base/pictures.ts'
import { formatShape } from '../tensor/dimension.ts'
import { type Initializer, silu, type Tensor, type TensorOperand } from '../tensor/index.ts'
import { toTensor } from '../tensor/tensor.ts'
import { Conv2d } from './convolution.ts'
import { GroupNorm } from './group-norm.ts'
import { heNormal } from './initializers.ts'
import { normGroups, ResidualBlock2d } from './residual-block-2d.ts'
import { depthToSpace, upsample2d } from './resize.ts'
import { checkSizes } from './sizes.ts'

export interface PictureCoderOptions {
  /** Height and width are multiples of `downsample`. */
  readonly picture: PictureSize
  /** Channels at half the picture's size; below, twice as many. A multiple of 4. */
  readonly width: number
  /** Channels of the grid. */
  readonly latent: number
  /** Pixels per cell of the grid, on each axis. */
  readonly downsample: 2 | 4 | 8
}

/**
 * Pictures `[batch, channel, y, x]` → a grid `[batch, latent, y / downsample, x / downsample]`: per halving a convolution of 4×4 with stride
 * 2 and a residual block; nothing runs at full size. Untrained, the grid's values have a variance near 1 whatever the picture.
 */
export class PictureEncoder {
  readonly down: readonly Conv2d[]
  readonly blocks: readonly ResidualBlock2d[]
  readonly norm: GroupNorm
  readonly out: Conv2d
  readonly #channels: number
  readonly #downsample: number

  constructor(options: PictureCoderOptions) {
    const widths = checkedWidths(options, 'PictureEncoder')
    const [last, { picture, latent, downsample }] = [widths.at(-1)!, options]
    this.down = widths.map((width, i) => new Conv2d(widths[i - 1] ?? picture.channels, width, { kernel: 4, stride: 2 }))
    this.blocks = [...widths, last].map((width) => new ResidualBlock2d(width, width))
    this.norm = new GroupNorm(normGroups(last), last)
    this.out = new Conv2d(last, latent)
    this.#channels = picture.channels
    this.#downsample = downsample
  }

  /** Takes pictures of other sizes, too. Throws ShapeError on other channels, and sides that are no multiples of `downsample`. */
  forward(pictures: TensorOperand): Tensor {
    let x = checkedGrid(pictures, this.#channels, this.#downsample)
    for (const [i, down] of this.down.entries()) x = this.blocks[i]!.forward(down.forward(x))
    x = this.blocks.at(-1)!.forward(x)
    return this.out.forward(silu(this.norm.forward(x)))
  }
}

/** The way back, `[batch, latent, y / downsample, x / downsample]` → pictures, not clipped. Untrained, it paints almost plain grey. */
export class PictureDecoder {
  readonly in: Conv2d
  readonly blocks: readonly ResidualBlock2d[]
  readonly up: readonly Conv2d[]
  readonly norm: GroupNorm
  readonly out: Conv2d
  readonly #latent: number

  constructor(options: PictureCoderOptions) {
    const widths = checkedWidths(options, 'PictureDecoder').toReversed()
    const [first, last, { picture, latent }] = [widths[0]!, widths.at(-1)!, options]
    this.in = new Conv2d(latent, first, { weight: scaledHe(Math.SQRT1_2) })
    this.blocks = [first, ...widths].map((width) => new ResidualBlock2d(width, width))
    // Before the pixels are repeated: a 1×1 kernel gives the same then, at a quarter of the work.
    this.up = widths.slice(1).map((width, i) => new Conv2d(widths[i]!, width, { kernel: 1, weight: scaledHe(Math.SQRT1_2) }))
    this.norm = new GroupNorm(normGroups(last), last)
    this.out = new Conv2d(last, 4 * picture.channels, { weight: scaledHe(0.1) })
    this.#latent = latent
  }

  /** Takes grids of other sizes, too. Throws ShapeError on other channels. */
  forward(grid: TensorOperand): Tensor {
    let x = this.blocks[0]!.forward(this.in.forward(checkedGrid(grid, this.#latent)))
    for (const [i, block] of this.blocks.slice(1).entries())
      x = block.forward(i === 0 ? x : upsample2d(this.up[i - 1]!.forward(x), 2))
    return depthToSpace(this.out.forward(silu(this.norm.forward(x))), 2)
  }
}

/** He-normal values times a gain: √½ keeps the variance of what no activation has cut. */
function scaledHe(gain: number): Initializer {
  return (shape, rng) => (heNormal(shape, rng) as Float32Array).map((x) => gain * x)
}

/** Channels after each halving, from the picture inwards. */
function checkedWidths(options: PictureCoderOptions, what: string): number[] {
  refuseUnknown(options, ['picture', 'width', 'latent', 'downsample'], what)
  const { picture, width, latent, downsample } = options
  const { channels, height, width: across } = picture
  checkSizes({ channels, height, 'picture.width': across, width, latent })
  if (![2, 4, 8].includes(downsample)) throw new OptionError(`downsample is ${downsample}`, { expected: '2, 4 or 8' })
  if (width % 4 !== 0) throw new OptionError(`width is ${width}`, { expected: 'a multiple of 4' })
  if (height % downsample !== 0 || across % downsample !== 0)
    throw new OptionError(`pictures of ${height}×${across}`, { expected: `multiples of ${downsample}`, fix: 'resize or pad them' })
  return Array.from({ length: Math.log2(downsample) }, (_, i) => (i === 0 ? width : 2 * width))
}

function checkedGrid(x: TensorOperand, channels: number, factor = 1): Tensor {
  const tensor = toTensor(x)
  const sides = tensor.shape.slice(2)
  if (tensor.rank === 4 && tensor.shape[1] === channels && sides.every((side) => typeof side === 'number' && side % factor === 0))
    return tensor
  const expected = `[batch, ${channels}, y, x]${factor === 1 ? '' : ` with multiples of ${factor}`}`
  throw new ShapeError(`a grid ${formatShape(tensor.shape)}`, { expected })
}
