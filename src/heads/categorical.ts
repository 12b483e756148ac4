import { ShapeError } from '../base/errors.ts'
import type { Embedding } from '../nn/embedding.ts'
import { Linear, linear } from '../nn/linear.ts'
import type { Weight } from '../nn/quantized-matrix.ts'
import { sameShape } from '../tensor/dimension.ts'
import {
  customGradient,
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
  unsqueeze,
} from '../tensor/index.ts'
import { describeType, toTensor } from '../tensor/tensor.ts'

/** A distribution over a vocabulary, read from hidden states. */
export interface CategoricalHead {
  /** Hidden states `[…, width]` → unnormalised log-probabilities `[…, vocabulary]`. */
  logits(hidden: Tensor): Tensor
}

class LinearHead implements CategoricalHead {
  readonly weight: Weight

  constructor(width: number, vocabularySize: number, weight?: Initializer) {
    this.weight = new Linear(width, vocabularySize, weight === undefined ? {} : { weight }).weight
  }

  logits(hidden: Tensor): Tensor {
    return linear(hidden, this.weight)
  }
}

class TiedHead implements CategoricalHead {
  readonly #embedding: Embedding

  constructor(embedding: Embedding) {
    this.#embedding = embedding
  }

  logits(hidden: Tensor): Tensor {
    return linear(hidden, this.#embedding.weight)
  }
}

/** A head with weights of its own, `[vocabulary, width]`. */
export function categoricalHead(width: number, vocabularySize: number, weight?: Initializer): CategoricalHead {
  return new LinearHead(width, vocabularySize, weight)
}

/** A head that reads with the embedding's weights. Press & Wolf 2017. */
export function tiedHead(embedding: Embedding): CategoricalHead {
  return new TiedHead(embedding)
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
