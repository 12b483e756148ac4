import { OptionError } from '../../base/errors.ts'
import { cast, constant, divide, matmul, multiply, reshape, subtract, type Tensor, unsqueeze } from '../../tensor/index.ts'

/** Largest vocabulary of one id: networks keep a table of it. */
const mostIds = 2 ** 20

/**
 * Small numbers side by side ⇄ ids: `split` groups of neighbours, each the digits of one id in mixed bases, the most significant first.
 */
export class Digits {
  readonly bases: readonly number[]
  /** Ids of each group. */
  readonly vocabulary: readonly number[]
  /** How much one of a digit is worth in its id. */
  readonly #worth: readonly number[]

  /** Throws OptionError unless the groups are equal and no vocabulary exceeds 2^20. */
  constructor(bases: readonly number[], split: number) {
    if (bases.length % split !== 0)
      throw new OptionError(`split is ${split} for ${bases.length} digits`, { expected: 'a divisor of them' })
    const length = bases.length / split
    this.bases = bases
    this.vocabulary = Array.from({ length: split }, (_, group) => product(bases.slice(group * length, (group + 1) * length)))
    this.#worth = bases.map((_, i) => product(bases.slice(i + 1, (Math.floor(i / length) + 1) * length)))
    const most = Math.max(...this.vocabulary)
    if (most > mostIds)
      throw new OptionError(`a vocabulary of ${most} ids`, { expected: `at most ${mostIds}`, fix: 'split the code into more ids' })
  }

  /** Float digits `[batch, value, digit]` → int32 ids `[batch, value, group]`. */
  join(digits: Tensor): Tensor {
    const groups = this.vocabulary.length
    const length = this.bases.length / groups
    // Sums stay below 2^24, where floats are exact.
    const sums = this.bases.flatMap((_, i) =>
      Array.from({ length: groups }, (_, g) => (Math.floor(i / length) === g ? this.#worth[i]! : 0)),
    )
    return cast(matmul(digits, constant(sums, [this.bases.length, groups])), 'int32')
  }

  /** Int32 ids `[batch, value, group]` → float digits `[batch, value, digit]`. */
  split(ids: Tensor): Tensor {
    const groups = this.vocabulary.length
    const shape = [groups, this.bases.length / groups]
    const [worth, bases] = [constant(this.#worth, shape, 'int32'), constant(this.bases, shape, 'int32')]
    const whole = divide(unsqueeze(ids, -1), worth)
    const digits = subtract(whole, multiply(divide(whole, bases), bases))
    return cast(reshape(digits, [ids.shape[0]!, ids.shape[1]!, this.bases.length]), 'float32')
  }
}

function product(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total * number, 1)
}
