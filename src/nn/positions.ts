import type { DType } from '../base/dtype.ts'
import { OptionError } from '../base/errors.ts'
import { refuseUnknown } from '../base/options.ts'
import { multiplyDimensions } from '../tensor/dimension.ts'
import {
  add,
  cast,
  concat,
  constant,
  cos,
  type Dimension,
  expand,
  gather,
  multiply,
  negate,
  parameter,
  range,
  reshape,
  rotatePairs,
  sin,
  slice,
  squeeze,
  type Tensor,
  unsqueeze,
  type Variable,
} from '../tensor/index.ts'
import { normal } from './initializers.ts'
import { type RotaryScaling, unscaled } from './rotary-scaling.ts'

/** How a model knows where a slot is: by adding to embeddings, or by rotating queries and keys. */
export interface Positions {
  /** Adds to embeddings `[batch, slot, width]`; `position` is int32 `[batch or 1, slot]`. */
  embed?(x: Tensor, position: Tensor): Tensor
  /** Turns queries or keys `[batch, head, slot, headWidth]`. */
  rotate?(x: Tensor, position: Tensor): Tensor
  /** The same as `rotate` for `[batch, slot, head·headWidth]`, in one kernel that has no gradient. */
  rotateRows?(x: Tensor, position: Tensor, heads: number): Tensor
  /** Turns keys `[batch, head, slot, headWidth]` that were rotated, as if they stood `by` (int32 `[batch or 1, slot]`) positions further on. */
  shift?(x: Tensor, by: Tensor): Tensor
}

export type PositionsFactory = (sizes: { readonly width: number; readonly context: number }) => Positions

class LearnedPositions implements Positions {
  readonly weight: Variable

  constructor(context: number, width: number) {
    this.weight = parameter([context, width], normal(0.02))
  }

  embed(x: Tensor, position: Tensor): Tensor {
    return add(x, gather(this.weight, position))
  }
}

interface TableOptions {
  readonly width: number
  readonly dtype: DType
  /** Whether a scaling's amplitude is put in. */
  readonly lengthens: boolean
}

class RotaryPositions implements Positions {
  readonly #options: Required<RotaryOptions>
  readonly #context: number

  constructor(options: Required<RotaryOptions>, context: number) {
    this.#options = options
    this.#context = context
  }

  rotate(x: Tensor, position: Tensor): Tensor {
    return this.#turnShare(x, position, true)
  }

  /** Rotations add up; the amplitude is in the keys already. */
  shift(x: Tensor, by: Tensor): Tensor {
    return this.#turnShare(x, by, false)
  }

  rotateRows(x: Tensor, position: Tensor, heads: number): Tensor {
    const width = this.#rotatedWidth((x.shape.at(-1) as number) / heads)
    const [batch, slots] = x.shape as [Dimension, Dimension]
    // A table of just the positions that are there: [batch·slot, half].
    const places = reshape(range(multiplyDimensions(batch, slots)), [batch, slots])
    const { cosine, sine } = this.#table(reshape(expand(position, [batch, slots]), [-1]), {
      width,
      dtype: x.dtype,
      lengthens: true,
    })
    return rotatePairs(x, places, { cosine, sine }, heads)
  }

  #rotatedWidth(headWidth: number): number {
    const width = Math.floor(headWidth * this.#options.share)
    if (width % 2 === 0 && width > 0) return width
    throw new OptionError(`rotary positions with ${width} channels of heads of width ${headWidth}`, {
      expected: 'an even width above 0',
    })
  }

  /** Of positions `[…]`: cosine and sine `[…, width / 2]`. */
  #table(position: Tensor, { width, dtype, lengthens }: TableOptions): { cosine: Tensor; sine: Tensor } {
    const { base, scaling } = this.#options
    const { frequencies, amplitude = 1 } = scaling({ base, width, context: this.#context })
    const angle = multiply(unsqueeze(cast(position, dtype), -1), constant(frequencies, [width / 2], dtype))
    const lengthened = (tensor: Tensor) => (amplitude === 1 || !lengthens ? tensor : multiply(tensor, amplitude))
    return { cosine: lengthened(cos(angle)), sine: lengthened(sin(angle)) }
  }

  #turnShare(x: Tensor, position: Tensor, lengthens: boolean): Tensor {
    const headWidth = x.shape.at(-1) as number
    const width = this.#rotatedWidth(headWidth)
    if (width === headWidth) return this.#turn(x, position, width, lengthens)
    return concat([this.#turn(slice(x, -1, 0, width), position, width, lengthens), slice(x, -1, width)], -1)
  }

  #turn(x: Tensor, position: Tensor, width: number, lengthens: boolean): Tensor {
    const half = width / 2
    // [batch or 1, 1, slot, half]
    const { cosine, sine } = this.#table(unsqueeze(position, 1), { width, dtype: x.dtype, lengthens })
    const both = (part: Tensor) => concat([part, part], -1)
    const turned = concat([negate(slice(x, -1, half)), slice(x, -1, 0, half)], -1)
    return add(multiply(x, both(cosine)), multiply(turned, both(sine)))
  }
}

/** Turns an equal share of each head's channels by each axis of a position. */
class AxialRotaryPositions implements Positions {
  readonly #axes: readonly number[]
  readonly #each: RotaryPositions

  constructor(axes: readonly number[], each: RotaryPositions) {
    this.#axes = axes
    this.#each = each
  }

  /** `position` is int32 `[batch or 1, slot, axis]`. */
  rotate(x: Tensor, position: Tensor): Tensor {
    const share = (x.shape.at(-1) as number) / this.#axes.length
    if (!Number.isInteger(share / 2)) {
      throw new OptionError(`heads of width ${x.shape.at(-1)} turned by ${this.#axes.length} axes`, {
        expected: 'an even number of channels for each axis',
      })
    }
    const turned = this.#axes.map((axis, i) => {
      const place = squeeze(slice(position, -1, axis, axis + 1), -1)
      return this.#each.rotate(slice(x, -1, i * share, (i + 1) * share), place)
    })
    return concat(turned, -1)
  }
}

/** A trained vector per position, added to the embedding. GPT-2. */
export function learned(): PositionsFactory {
  return ({ width, context }) => new LearnedPositions(context, width)
}

/** Says nothing about where slots are: what they see alone tells. Kazemnejad et al. 2023. */
export function unplaced(): PositionsFactory {
  return () => ({ shift: (x) => x })
}

export interface RotaryOptions {
  /** Default 10000. */
  readonly base?: number
  /** Share of each head's channels, the first ones, that are rotated. Default 1. */
  readonly share?: number
  /** Frequencies for contexts longer than the trained one, e.g. `yarn({ factor: 4, original: 2048 })`. Default: none. */
  readonly scaling?: RotaryScaling
}

/**
 * Rotates pairs (i, i + half) of queries and keys by position / base^(2i/width). Su et al. 2021. Throws OptionError on a bad base or
 * share or unknown options; the model does on an odd number of rotated channels.
 */
export function rotary(options: RotaryOptions = {}): PositionsFactory {
  refuseUnknown(options, ['base', 'share', 'scaling'], 'rotary')
  const { base = 10000, share = 1, scaling = unscaled } = options
  if (!(base > 0 && base < Number.POSITIVE_INFINITY))
    throw new OptionError(`rotary base ${base}`, { expected: 'a finite number > 0' })
  if (!(share > 0 && share <= 1)) throw new OptionError(`rotary share ${share}`, { expected: 'above 0, at most 1' })
  return ({ context }) => new RotaryPositions({ base, share, scaling }, context)
}

/**
 * Rotations for slots with several coordinates, int32 `[batch or 1, slot, axis]`: of each head's channels, every one of `axes` turns an equal share.
 * Heo et al. 2024 (axial RoPE). Throws OptionError on no axes or a bad base; the model does when the channels do not divide.
 * @example
 * rotaryAxes([1, 2]) // of positions [scale, y, x], the last two
 */
export function rotaryAxes(axes: readonly number[], options: Pick<RotaryOptions, 'base'> = {}): PositionsFactory {
  refuseUnknown(options, ['base'], 'rotaryAxes')
  const { base = 100 } = options
  if (axes.length === 0 || !axes.every((axis) => Number.isSafeInteger(axis) && axis >= 0))
    throw new OptionError(`rotary axes [${axes}]`, { expected: 'at least one axis, each an integer ≥ 0' })
  if (!(base > 0 && base < Number.POSITIVE_INFINITY))
    throw new OptionError(`rotary base ${base}`, { expected: 'a finite number > 0' })
  return ({ context }) => new AxialRotaryPositions(axes, new RotaryPositions({ base, share: 1, scaling: unscaled }, context))
}
