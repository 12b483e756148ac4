import { gather, type Initializer, parameter, type Tensor, type TensorOperand, type Variable } from '../tensor/index.ts'
import { normal } from './initializers.ts'
import { checkSizes } from './sizes.ts'

/** A table of vectors, one row per id. Throws OptionError on sizes below 1. */
export class Embedding {
  readonly weight: Variable

  constructor(count: number, width: number, weight: Initializer = normal(0.02)) {
    checkSizes({ count, width })
    this.weight = parameter([count, width], weight)
  }

  /** Ids `[…]` → `[…, width]`. */
  forward(ids: TensorOperand): Tensor {
    return gather(this.weight, ids)
  }
}
