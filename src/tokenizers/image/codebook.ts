import * as v from 'valibot'
import { wholeNumber } from '../../base/options.ts'
import { linear, normal } from '../../nn/index.ts'
import {
  type Assignment,
  add,
  and,
  argmax,
  assign,
  cast,
  cumulativeSum,
  divide,
  gather,
  greater,
  less,
  log,
  matmul,
  maximum,
  mean,
  minimum,
  multiply,
  oneHot,
  sqrt,
  square,
  subtract,
  sum,
  type Tensor,
  topK,
  unsqueeze,
  type Variable,
  variable,
  where,
} from '../../tensor/index.ts'

export interface CodebookOptions {
  /** Rows of the codebook. */
  readonly codes: number
  /** Numbers of a row. */
  readonly dimension: number
  /** How much of usage and rows stays at every training step. Default 0.97. */
  readonly decay?: number
  /** Codes used less than this share of the average are replaced by vectors of the batch; 0: never. Default 0.1. */
  readonly restart?: number
  /** Rows and vectors of length 1, compared by their angle (Yu et al. 2021). Default false. */
  readonly normalize?: boolean
}

export const codebookEntries = {
  codes: wholeNumber(2, 2 ** 20),
  dimension: wholeNumber(1),
  decay: v.optional(v.pipe(v.number(), v.minValue(0), v.ltValue(1)), 0.97),
  restart: v.optional(v.pipe(v.number(), v.minValue(0), v.ltValue(1)), 0.1),
}

const tiny = 1e-8

/**
 * Vectors ⇄ the nearest rows of a table that follows their means: an exponential moving average, no gradient (van den Oord et al. 2017,
 * appendix A.1). Rows count as dead when they are hardly chosen, as all do at first, and take the places of vectors that are
 * approximated badly, so that the first batch gives the first rows.
 */
export class Codebook {
  /** `[code, dimension]`. */
  readonly rows: Variable
  /** `[code]`: moving average of how often each is chosen; 1: as often as the average code. */
  readonly usage: Variable
  readonly #options: Required<CodebookOptions>

  constructor({ codes, dimension, decay = 0.99, restart = 0.1, normalize = false }: CodebookOptions) {
    this.rows = variable({ shape: [codes, dimension], initializer: normal(1 / Math.sqrt(dimension)) })
    this.usage = variable({ shape: [codes] })
    this.#options = { codes, dimension, decay, restart, normalize }
  }

  /** All options, defaults filled in. */
  get options(): Required<CodebookOptions> {
    return this.#options
  }

  /** Vectors as they are compared: `[…, dimension]`, of length 1 where rows are. */
  comparable(vectors: Tensor): Tensor {
    return this.#options.normalize ? unitLength(vectors) : vectors
  }

  /** `[…, dimension]` → int32 `[…]`: the rows at the least distance. */
  nearest(vectors: Tensor): Tensor {
    const rows = this.comparable(this.rows.tensor)
    // −|v − r|² = 2·v·r − |r|² − |v|², and |v|² is the same for all rows.
    const scores = subtract(multiply(linear(vectors, rows), 2), sum(square(rows), -1))
    return cast(argmax(scores), 'int32')
  }

  /** int32 `[…]` → `[…, dimension]`. */
  lookup(ids: Tensor): Tensor {
    return gather(this.comparable(this.rows.tensor), ids)
  }

  /** The mean of what codes stand for, `[dimension]`. */
  average(): Tensor {
    const weights = divide(add(this.usage, tiny), sum(add(this.usage, tiny)))
    return sum(multiply(this.comparable(this.rows.tensor), unsqueeze(weights, -1)), 0)
  }

  /**
   * What the codebook becomes after a batch: comparable vectors `[count, dimension]`, their ids `[count]`, and uniform numbers `[count]`
   * that choose what replaces dead codes. `share`: codes that the batch uses, 0 to 1.
   */
  learn(vectors: Tensor, ids: Tensor, picks: Tensor): { readonly updates: readonly Assignment[]; readonly share: Tensor } {
    const { codes, decay, restart } = this.#options
    const count = vectors.shape[0] as number
    const chosen = multiply(oneHot(ids, codes), codes / count)
    const counts = sum(chosen, 0)
    const usage = add(multiply(this.usage, decay), multiply(counts, 1 - decay))
    // rows' = (decay·usage·rows + (1 − decay)·sums) / usage': codes that nothing chooses keep theirs.
    const rate = unsqueeze(divide(1 - decay, maximum(usage, tiny)), -1)
    const sums = matmul(chosen, vectors, { transposeA: true })
    const moved = add(this.rows, multiply(rate, subtract(sums, multiply(this.rows, unsqueeze(counts, -1)))))
    const revived = restart === 0 ? undefined : this.#revive(vectors, ids, picks, usage)
    const next = revived === undefined ? moved : where(unsqueeze(revived.dead, -1), revived.rows, moved)
    return {
      updates: [
        assign(this.rows, this.comparable(next)),
        // Room to prove itself, and little weight against what chooses it.
        assign(this.usage, revived === undefined ? usage : where(revived.dead, 2 * restart, usage)),
      ],
      share: mean(cast(greater(counts, 0), 'float32')),
    }
  }

  /** Which codes start anew, and where: at different vectors, likelier the worse their own code fits them (as k-means++ seeds). */
  #revive(vectors: Tensor, ids: Tensor, picks: Tensor, usage: Tensor): { readonly dead: Tensor; readonly rows: Tensor } {
    const { codes, restart } = this.#options
    const error = sum(square(subtract(vectors, this.lookup(ids))), -1)
    // The largest u^(1/w) are a sample with chances w, without replacement (Efraimidis & Spirakis 2006).
    const keys = divide(log(maximum(picks, tiny)), add(error, tiny))
    const places = Math.min(codes, vectors.shape[0] as number)
    const chosen = topK(keys, places).indices
    const starved = less(usage, restart)
    const turn = cumulativeSum(cast(starved, 'float32'), 0, { exclusive: true })
    const place = gather(chosen, cast(minimum(turn, places - 1), 'int32'))
    return { dead: and(starved, less(turn, places)), rows: gather(vectors, place) }
  }
}

/** `[…, dimension]` with the sum of squares 1. */
function unitLength(vectors: Tensor): Tensor {
  return divide(vectors, sqrt(add(sum(square(vectors), -1, { keep: true }), tiny)))
}
