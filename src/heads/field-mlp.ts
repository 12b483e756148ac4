import { AdaptiveNorm, glorotUniform, Linear, TimeEmbedding, zeros } from '../nn/index.ts'
import { add, multiply, silu, type Tensor } from '../tensor/index.ts'

const plain = { weight: glorotUniform, bias: zeros }
const silent = { weight: zeros, bias: zeros }

/** x + gate · mlp(norm(x)), where norm and gate come from the condition; at first x. Peebles & Xie 2023. */
class AdaptiveMlpBlock {
  readonly norm: AdaptiveNorm
  readonly up_proj: Linear
  readonly down_proj: Linear
  readonly gate: Linear

  constructor(width: number) {
    this.norm = new AdaptiveNorm(width, width)
    this.up_proj = new Linear(width, width, plain)
    this.down_proj = new Linear(width, width, plain)
    this.gate = new Linear(width, width, silent)
  }

  forward(x: Tensor, condition: Tensor): Tensor {
    const changed = this.down_proj.forward(silu(this.up_proj.forward(this.norm.forward(x, condition))))
    return add(x, multiply(this.gate.forward(silu(condition)), changed))
  }
}

export interface FieldSizes {
  /** Of the hidden states that condition. */
  readonly width: number
  /** Of the values. */
  readonly dimension: number
  readonly hidden: number
  readonly layers: number
  /** Times are multiplied by this before they are embedded. */
  readonly timeScale: number
}

/** What comes before and after the layers of a field: embedded values, a condition of time and hidden state, an output that begins at 0. */
export class FieldFrame {
  readonly input: Linear
  readonly time: TimeEmbedding
  readonly condition: Linear
  readonly norm: AdaptiveNorm
  readonly output: Linear

  constructor({ width, dimension, hidden, timeScale }: FieldSizes) {
    this.input = new Linear(dimension, hidden, plain)
    this.time = new TimeEmbedding(hidden, { scale: timeScale })
    this.condition = new Linear(width, hidden, plain)
    this.norm = new AdaptiveNorm(hidden, hidden)
    this.output = new Linear(hidden, dimension, silent)
  }

  /** Times that broadcast to `[…]` and hidden states `[…, width]` → `[…, hidden]`. */
  conditionOf(time: Tensor, hidden: Tensor): Tensor {
    return add(this.time.forward(time), this.condition.forward(hidden))
  }

  finish(x: Tensor, condition: Tensor): Tensor {
    return this.output.forward(this.norm.forward(x, condition))
  }
}

/** A network that predicts about each vector, see `Field`; values and times may have one axis more in front than the hidden states. */
export interface FieldNetwork {
  forward(values: Tensor, time: Tensor, hidden: Tensor, groups?: readonly number[]): Tensor
}

/** The residual MLP of a slot, conditioned on hidden state and time in every block. Li et al. 2024 (MAR). */
export class FieldMlp implements FieldNetwork {
  readonly frame: FieldFrame
  readonly blocks: readonly AdaptiveMlpBlock[]

  constructor(sizes: FieldSizes) {
    this.frame = new FieldFrame(sizes)
    this.blocks = Array.from({ length: sizes.layers }, () => new AdaptiveMlpBlock(sizes.hidden))
  }

  forward(values: Tensor, time: Tensor, hidden: Tensor): Tensor {
    const condition = this.frame.conditionOf(time, hidden)
    const through = this.blocks.reduce((x, block) => block.forward(x, condition), this.frame.input.forward(values))
    return this.frame.finish(through, condition)
  }
}
