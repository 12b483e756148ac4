import { OptionError } from '../base/errors.ts'
import { Linear, linear, QuantizedMatrix, type Weight, zeros } from '../nn/index.ts'
import { add, type Initializer, multiply, type Tensor, type TensorOperand, type Variable } from '../tensor/index.ts'

/** A linear layer whose weight is trained. */
export type PlainLinear = Linear & { readonly weight: Variable }

/**
 * A linear layer and a change of low rank to it: x·Wᵀ (+ b) + (α/r)·(x·Aᵀ)·Bᵀ, where A is `[r, inputs]` and B, zero at first,
 * `[outputs, r]`. Hu et al. 2021, eq. 3. Takes the place of a `Linear`, whose variables keep their names.
 */
export class LowRankLinear {
  readonly weight: Weight
  readonly bias?: Variable
  readonly lora_A: PlainLinear
  readonly lora_B: PlainLinear
  /** α/r. */
  readonly scale: number

  constructor({ weight, bias }: Linear, rank: number, alpha: number, first: Initializer) {
    const [outputs, inputs] = weight.shape as readonly [number, number]
    this.weight = weight
    if (bias !== undefined) this.bias = bias
    this.lora_A = new Linear(inputs, rank, { weight: first }) as PlainLinear
    this.lora_B = new Linear(rank, outputs, { weight: zeros }) as PlainLinear
    this.scale = alpha / rank
  }

  /** `[…, inputs]` → `[…, outputs]`. */
  forward(x: TensorOperand): Tensor {
    const change = this.lora_B.forward(multiply(this.lora_A.forward(x), this.scale))
    return add(linear(x, this.weight, this.bias), change)
  }

  /** What a merge adds to. Throws OptionError when the weight is quantised. */
  mergeTarget(): Variable {
    if (!(this.weight instanceof QuantizedMatrix)) return this.weight
    throw new OptionError(`a change cannot be merged into ${this.weight.bits}-bit weights`, {
      fix: 'keep the adapters beside them, or merge into the original weights and quantise those',
    })
  }

  /** Adds the change to the weight itself: W + (α/r)·B·A. Throws OptionError when the weight is quantised. */
  async merge(): Promise<void> {
    const target = this.mergeTarget()
    const [a, b, weight] = [await this.lora_A.weight.read(), await this.lora_B.weight.read(), await target.read()]
    const [outputs, inputs] = target.concreteShape as [number, number]
    await target.write(addProduct(weight as Float32Array, b as Float32Array, a as Float32Array, this.scale, outputs, inputs))
  }

  /** Frees the adapter's variables; the layer's own stay. */
  async dispose(): Promise<void> {
    await this.lora_A.weight.dispose()
    await this.lora_B.weight.dispose()
  }
}

/** w + scale·b·a, with sums in double precision; w `[outputs, inputs]`, b `[outputs, rank]`, a `[rank, inputs]`. */
function addProduct(
  w: Float32Array,
  b: Float32Array,
  a: Float32Array,
  scale: number,
  outputs: number,
  inputs: number,
): Float32Array {
  const rank = a.length / inputs
  const row = new Float64Array(inputs)
  for (let i = 0; i < outputs; i++) {
    row.fill(0)
    for (let r = 0; r < rank; r++) {
      const factor = b[i * rank + r]! * scale
      for (let j = 0; j < inputs; j++) row[j]! += factor * a[r * inputs + j]!
    }
    for (let j = 0; j < inputs; j++) w[i * inputs + j]! += row[j]!
  }
  return w
}
