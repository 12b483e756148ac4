import { OptionError, ShapeError } from '../base/errors.ts'
import { refuseUnknown } from '../base/options.ts'
import type { Embedding } from '../nn/embedding.ts'
import { Linear, linear } from '../nn/linear.ts'
import { type Weight, WeightHolder } from '../nn/quantized-matrix.ts'
import { sameShape } from '../tensor/dimension.ts'
import {
  customGradient,
  divide,
  exp,
  gatherElements,
  type Initializer,
  logSoftmax,
  multiply,
  negate,
  reshape,
  scatterElements,
  type Tensor,
  type TensorOperand,
  tanh,
  unsqueeze,
  type Variable,
} from '../tensor/index.ts'
import { describeType, toTensor } from '../tensor/tensor.ts'

/** A distribution over a vocabulary, read from hidden states. */
export interface CategoricalHead {
  /** Hidden states `[…, width]` → unnormalised log-probabilities `[…, vocabulary]`. */
  logits(hidden: Tensor): Tensor
}

export interface TiedHeadOptions {
  /** Logits become softCap·tanh(logit / softCap). Gemma 2. */
  readonly softCap?: number
}

export interface CategoricalHeadOptions extends TiedHeadOptions {
  readonly weight?: Initializer
  /** Initializer of the bias; without one there is no bias. */
  readonly bias?: Initializer
}

class LinearHead extends WeightHolder implements CategoricalHead {
  readonly weight: Weight
  readonly bias?: Variable
  readonly #softCap: number | undefined

  constructor(width: number, vocabularySize: number, { softCap, ...options }: CategoricalHeadOptions) {
    super()
    const { weight, bias } = new Linear(width, vocabularySize, options)
    this.weight = weight
    if (bias !== undefined) this.bias = bias
    this.#softCap = softCap
  }

  logits(hidden: Tensor): Tensor {
    return capped(linear(hidden, this.weight, this.bias), this.#softCap)
  }
}

class TiedHead implements CategoricalHead {
  readonly #embedding: Embedding
  readonly #softCap: number | undefined

  constructor(embedding: Embedding, softCap: number | undefined) {
    this.#embedding = embedding
    this.#softCap = softCap
  }

  logits(hidden: Tensor): Tensor {
    return capped(linear(hidden, this.#embedding.weight), this.#softCap)
  }
}

function capped(logits: Tensor, softCap: number | undefined): Tensor {
  return softCap === undefined ? logits : multiply(tanh(divide(logits, softCap)), softCap)
}

function checkSoftCap({ softCap = 1 }: TiedHeadOptions): void {
  if (!(softCap > 0 && softCap < Number.POSITIVE_INFINITY))
    throw new OptionError(`softCap is ${softCap}`, { expected: 'a finite number > 0' })
}

/** A head with weights of its own, `[vocabulary, width]`. Throws OptionError on a bad soft cap or unknown options. */
export function categoricalHead(width: number, vocabularySize: number, options: CategoricalHeadOptions = {}): CategoricalHead {
  refuseUnknown(options, ['weight', 'bias', 'softCap'], 'categoricalHead')
  checkSoftCap(options)
  return new LinearHead(width, vocabularySize, options)
}

/** A head that reads with the embedding's weights. Press & Wolf 2017. Throws OptionError on a bad soft cap or unknown options. */
export function tiedHead(embedding: Embedding, options: TiedHeadOptions = {}): CategoricalHead {
  refuseUnknown(options, ['softCap'], 'tiedHead')
  checkSoftCap(options)
  return new TiedHead(embedding, options.softCap)
}

/**
 * log p(target): logits `[…, class]` and int targets `[…]` → `[…]`. The gradient is one-hot − softmax, in one pass. Throws ShapeError
 * unless there is one target per row of logits.
 */
export function categoricalLogProb(logits: TensorOperand, targets: TensorOperand): Tensor {
  const [scores, ids] = [toTensor(logits), toTensor(targets)]
  if (scores.rank < 1 || !sameShape(scores.shape.slice(0, -1), ids.shape))
    throw new ShapeError(`targets ${describeType(ids)} for logits ${describeType(scores)}`, { expected: 'one target per row' })
  const places = unsqueeze(ids, -1)
  const logProbs = logSoftmax(scores)
  return customGradient(
    [scores],
    () => reshape(gatherElements(logProbs, places), ids.shape),
    (gradient) => {
      const rows = reshape(gradient, places.shape)
      return [scatterElements(multiply(exp(logProbs), negate(rows)), places, rows, -1, 'add')]
    },
  )
}
