import { gather, type Initializer, parameter, type Tensor, type TensorOperand } from '../tensor/index.ts'
import { normal } from './initializers.ts'
import { QuantizedMatrix, type Weight, WeightHolder } from './quantized-matrix.ts'
import { checkSizes } from './sizes.ts'

/** A table of vectors, one row per id. Throws OptionError on sizes below 1. */
export class Embedding extends WeightHolder {
  readonly weight: Weight

  constructor(count: number, width: number, weight: Initializer = normal(0.02)) {
    super()
    checkSizes({ count, width })
    this.weight = parameter([count, width], weight)
  }

  /** Ids `[…]` → `[…, width]`. */
  forward(ids: TensorOperand): Tensor {
    return this.weight instanceof QuantizedMatrix ? this.weight.rows(ids) : gather(this.weight, ids)
  }
}
