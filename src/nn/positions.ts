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

/** How a model knows where a slot is: by adding to embeddings, or by rotating queries and keys. */
export interface Positions {
  /** Adds to embeddings `[batch, slot, width]`; `position` is int32 `[batch or 1, slot]`. */
  embed?(x: Tensor, position: Tensor): Tensor
  /** Turns queries or keys `[batch, head, slot, headWidth]`. */
  rotate?(x: Tensor, position: Tensor): Tensor
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
  readonly #base: number

  constructor(base: number) {
    this.#base = base
  }

  rotate(x: Tensor, position: Tensor): Tensor {
    const width = x.shape.at(-1) as number
    if (width % 2 !== 0) throw new OptionError(`rotary positions with heads of width ${width}`, { expected: 'an even width' })
    const half = width / 2
    const frequencies = Array.from({ length: half }, (_, i) => this.#base ** (-i / half))
    // [batch or 1, 1, slot, half]
    const angle = multiply(unsqueeze(unsqueeze(cast(position, x.dtype), 1), -1), constant(frequencies, [half], x.dtype))
    const [cosine, sine] = [concat([cos(angle), cos(angle)], -1), concat([sin(angle), sin(angle)], -1)]
    const turned = concat([negate(slice(x, -1, half)), slice(x, -1, 0, half)], -1)
    return add(multiply(x, cosine), multiply(turned, sine))
  }
}

/** A trained vector per position, added to the embedding. GPT-2. */
export function learned(): PositionsFactory {
  return ({ width, context }) => new LearnedPositions(context, width)
}

/**
 * Rotates pairs (i, i + half) of queries and keys by position / base^(2i/width). Su et al. 2021. Throws OptionError on a bad base or
 * unknown options; the model does on heads of odd width.
 */
export function rotary(options: { readonly base?: number } = {}): PositionsFactory {
  refuseUnknown(options, ['base'], 'rotary')
  const { base = 10000 } = options
  if (!(base > 0 && base < Number.POSITIVE_INFINITY))
    throw new OptionError(`rotary base ${base}`, { expected: 'a finite number > 0' })
  return () => new RotaryPositions(base)
}
