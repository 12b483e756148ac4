import { add, multiply, sigmoid, subtract, type Tensor } from '../tensor/index.ts'
import { fanInUniform } from './initializers.ts'
import { Linear } from './linear.ts'

/** A learnt mixture of two states of one width: g·a + (1 − g)·b with g = σ(W₁a + W₂b + c) for each number. */
export class Gate {
  readonly first: Linear
  readonly second: Linear

  constructor(width: number) {
    const { weight } = fanInUniform(width)
    this.first = new Linear(width, width, fanInUniform(width))
    this.second = new Linear(width, width, { weight })
  }

  /** `[…, width]` each → the same shape. */
  forward(a: Tensor, b: Tensor): Tensor {
    const open = sigmoid(add(this.first.forward(a), this.second.forward(b)))
    return add(b, multiply(open, subtract(a, b)))
  }
}
