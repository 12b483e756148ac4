import { gelu as applyGelu, multiply, silu, type Tensor, type TensorOperand } from '../tensor/index.ts'
import { Linear, type LinearOptions } from './linear.ts'

/** The position-wise part of a block. */
export interface Mlp {
  forward(x: TensorOperand): Tensor
}

export interface MlpSettings {
  readonly width: number
  readonly linear: LinearOptions
  /** Options of the last linear, whose result is added to the residual stream. */
  readonly output: LinearOptions
}

export type MlpFactory = (settings: MlpSettings) => Mlp

class GeluMlp implements Mlp {
  readonly up_proj: Linear
  readonly down_proj: Linear

  constructor({ width, linear, output }: MlpSettings, hidden: number) {
    this.up_proj = new Linear(width, hidden, linear)
    this.down_proj = new Linear(hidden, width, output)
  }

  forward(x: TensorOperand): Tensor {
    return this.down_proj.forward(applyGelu(this.up_proj.forward(x)))
  }
}

class SwigluMlp implements Mlp {
  readonly gate_proj: Linear
  readonly up_proj: Linear
  readonly down_proj: Linear

  constructor({ width, linear, output }: MlpSettings, hidden: number) {
    this.gate_proj = new Linear(width, hidden, linear)
    this.up_proj = new Linear(width, hidden, linear)
    this.down_proj = new Linear(hidden, width, output)
  }

  forward(x: TensorOperand): Tensor {
    return this.down_proj.forward(multiply(silu(this.gate_proj.forward(x)), this.up_proj.forward(x)))
  }
}

/** Two linears with erf-GELU between them. */
export function gelu(hidden: number): MlpFactory {
  return (settings) => new GeluMlp(settings, hidden)
}

/** down(silu(gate(x)) · up(x)). Shazeer 2020. */
export function swiglu(hidden: number): MlpFactory {
  return (settings) => new SwigluMlp(settings, hidden)
}
