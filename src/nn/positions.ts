import { OptionError } from '../base/errors.ts'
import { refuseUnknown } from '../base/options.ts'
import {
  add,
  cast,
  concat,
  constant,
  cos,
  gather,
  multiply,
  negate,
  parameter,
  sin,
  slice,
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

  #turnShare(x: Tensor, position: Tensor, lengthens: boolean): Tensor {
    const headWidth = x.shape.at(-1) as number
    const width = Math.floor(headWidth * this.#options.share)
    if (width % 2 !== 0 || width === 0) {
      throw new OptionError(`rotary positions with ${width} channels of heads of width ${headWidth}`, {
        expected: 'an even width above 0',
      })
    }
    if (width === headWidth) return this.#turn(x, position, width, lengthens)
    return concat([this.#turn(slice(x, -1, 0, width), position, width, lengthens), slice(x, -1, width)], -1)
  }

  #turn(x: Tensor, position: Tensor, width: number, lengthens: boolean): Tensor {
    const { base, scaling } = this.#options
    const { frequencies, amplitude = 1 } = scaling({ base, width, context: this.#context })
    const half = width / 2
    // [batch or 1, 1, slot, half]
    const angle = multiply(unsqueeze(unsqueeze(cast(position, x.dtype), 1), -1), constant(frequencies, [half], x.dtype))
    const lengthened = (tensor: Tensor) => (amplitude === 1 || !lengthens ? tensor : multiply(tensor, amplitude))
    const [cosine, sine] = [cos(angle), sin(angle)].map((part) => concat([lengthened(part), lengthened(part)], -1))
    const turned = concat([negate(slice(x, -1, half)), slice(x, -1, 0, half)], -1)
    return add(multiply(x, cosine!), multiply(turned, sine!))
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
