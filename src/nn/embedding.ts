import { gather, type Initializer, parameter, type Tensor, type TensorOperand, type Variable } from '../tensor/index.ts'
import { normal } from './initializers.ts'

/** A table of vectors, one row per id. */
export class Embedding {
  readonly weight: Variable

  constructor(count: number, width: number, weight: Initializer = normal(0.02)) {
    this.weight = parameter([count, width], weight)
  }

  /** Ids `[…]` → `[…, width]`. */
  forward(ids: TensorOperand): Tensor {
    return gather(this.weight, ids)
  }
}
