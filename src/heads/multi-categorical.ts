import { OptionError, ShapeError } from '../base/errors.ts'
import { refuseUnknown } from '../base/options.ts'
import { sameShape } from '../tensor/dimension.ts'
import { concat, type Initializer, sampleCategorical, slice, squeeze, sum, type Tensor, unsqueeze } from '../tensor/index.ts'
import { describeType } from '../tensor/tensor.ts'
import { type CategoricalHead, categoricalHead, categoricalLogProb } from './categorical.ts'

export interface MultiCategoricalHeadOptions {
  readonly weight?: Initializer
  /** Initializer of the biases; without one there are none. */
  readonly bias?: Initializer
}

/** Several ids at each position, independent of one another given the hidden state: one output layer for each. */
export class MultiCategoricalHead {
  readonly heads: readonly CategoricalHead[]
  /** Where the logits of each id stand, `[start, end)`. */
  readonly ranges: readonly (readonly [start: number, end: number])[]

  constructor(width: number, vocabularies: readonly number[], options: MultiCategoricalHeadOptions) {
    this.heads = vocabularies.map((size) => categoricalHead(width, size, options))
    const ends = vocabularies.map((_, code) => vocabularies.slice(0, code + 1).reduce((total, size) => total + size, 0))
    this.ranges = ends.map((end, code) => [end - vocabularies[code]!, end])
  }

  /** Hidden states `[…, width]` → logits of all ids side by side, `[…, Σ vocabulary]`; `ranges` says whose is what. */
  logits(hidden: Tensor): Tensor {
    return concat(
      this.heads.map((head) => head.logits(hidden)),
      -1,
    )
  }

  /** log p of each id: int ids `[…, code]` → `[…, code]`. Throws ShapeError when ids do not fit the hidden states. */
  logProbs(hidden: Tensor, ids: Tensor): Tensor {
    if (!sameShape(ids.shape, [...hidden.shape.slice(0, -1), this.heads.length])) {
      throw new ShapeError(`ids ${describeType(ids)} for hidden states ${describeType(hidden)}`, {
        expected: `${this.heads.length} ids for each`,
      })
    }
    const each = this.heads.map((head, code) =>
      categoricalLogProb(head.logits(hidden), squeeze(slice(ids, -1, code, code + 1), -1)),
    )
    return concat(
      each.map((logProb) => unsqueeze(logProb, -1)),
      -1,
    )
  }

  /** log p of all ids of a position together: int ids `[…, code]` → `[…]`. Throws ShapeError as `logProbs` does. */
  logProb(hidden: Tensor, ids: Tensor): Tensor {
    return sum(this.logProbs(hidden, ids), -1)
  }

  /** Ids (int64) `[…, code]` from logits and uniform numbers in [0, 1), both `[…, Σ vocabulary]`. */
  sample(logits: Tensor, uniform: Tensor): Tensor {
    const each = this.ranges.map(([start, end]) => sampleCategorical(slice(logits, -1, start, end), slice(uniform, -1, start, end)))
    return concat(
      each.map((ids) => unsqueeze(ids, -1)),
      -1,
    )
  }
}

/**
 * A head for values of several ids: groups of bits (ELM), factorised vocabularies. Throws OptionError when there is no vocabulary, on sizes
 * below 1 and on unknown options.
 */
export function multiCategoricalHead(
  width: number,
  vocabularies: readonly number[],
  options: MultiCategoricalHeadOptions = {},
): MultiCategoricalHead {
  refuseUnknown(options, ['weight', 'bias'], 'multiCategoricalHead')
  if (vocabularies.length === 0) throw new OptionError('no vocabularies', { expected: 'the size of one or more' })
  return new MultiCategoricalHead(width, vocabularies, options)
}
