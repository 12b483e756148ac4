import {
  add,
  type Initializer,
  matmul,
  type Operand,
  parameter,
  reshape,
  type Tensor,
  type TensorOperand,
  type Variable,
} from '../tensor/index.ts'
import { toTensor } from '../tensor/tensor.ts'
import { normal } from './initializers.ts'
import { QuantizedMatrix, type Weight, WeightHolder } from './quantized-matrix.ts'
import { checkSizes } from './sizes.ts'

export interface LinearOptions {
  /** Default: normal with deviation 0.02 (GPT-2). */
  readonly weight?: Initializer
  /** Initializer of the bias; without one there is no bias. */
  readonly bias?: Initializer
}

/** y = x·Wᵀ (+ b) over the last axis; W is `[outputs, inputs]`. Throws OptionError on sizes below 1. */
export class Linear extends WeightHolder {
  readonly weight: Weight
  readonly bias?: Variable

  constructor(inputs: number, outputs: number, { weight = normal(0.02), bias }: LinearOptions = {}) {
    super()
    checkSizes({ inputs, outputs })
    this.weight = parameter([outputs, inputs], weight)
    if (bias !== undefined) this.bias = parameter([outputs], bias)
  }

  /** `[…, inputs]` → `[…, outputs]`. */
  forward(x: TensorOperand): Tensor {
    return linear(x, this.weight, this.bias)
  }
}

/** x·Wᵀ (+ b); leading axes are folded into one, as the runtime is fastest on plain matrices. */
export function linear(x: TensorOperand, weight: TensorOperand | QuantizedMatrix, bias?: Operand): Tensor {
  if (weight instanceof QuantizedMatrix) {
    const product = weight.product(x)
    return bias === undefined ? product : add(product, bias)
  }
  const [input, matrix] = [toTensor(x), toTensor(weight)]
  const flat = reshape(input, [-1, input.shape.at(-1)!])
  const product = matmul(flat, matrix, { transposeB: true })
  const result = bias === undefined ? product : add(product, bias)
  return reshape(result, [...input.shape.slice(0, -1), matrix.shape[0]!])
}
