import { gelu as applyGelu, type Initializer, multiply, silu, type Tensor, type TensorOperand } from '../tensor/index.ts'
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

export interface MlpOptions {
  /** Initializer of the biases. Default: the model's. */
  readonly bias?: Initializer
}

/** A function of each value: `silu`, `gelu`, `geluTanh`, `relu`. */
export type Activation = (x: TensorOperand) => Tensor

class PlainMlp implements Mlp {
  readonly up_proj: Linear
  readonly down_proj: Linear
  readonly #activation: Activation

  constructor({ width, linear, output }: MlpSettings, hidden: number, activation: Activation) {
    this.up_proj = new Linear(width, hidden, linear)
    this.down_proj = new Linear(hidden, width, output)
    this.#activation = activation
  }

  forward(x: TensorOperand): Tensor {
    return this.down_proj.forward(this.#activation(this.up_proj.forward(x)))
  }
}

class GatedMlp implements Mlp {
  readonly gate_proj: Linear
  readonly up_proj: Linear
  readonly down_proj: Linear
  readonly #activation: Activation

  constructor({ width, linear, output }: MlpSettings, hidden: number, activation: Activation) {
    this.gate_proj = new Linear(width, hidden, linear)
    this.up_proj = new Linear(width, hidden, linear)
    this.down_proj = new Linear(hidden, width, output)
    this.#activation = activation
  }

  forward(x: TensorOperand): Tensor {
    return this.down_proj.forward(multiply(this.#activation(this.gate_proj.forward(x)), this.up_proj.forward(x)))
  }
}

/** down(activation(up(x))). */
export function plainMlp(hidden: number, activation: Activation, options: MlpOptions = {}): MlpFactory {
  return (settings) => new PlainMlp(withBias(settings, options), hidden, activation)
}

/** down(activation(gate(x)) · up(x)). Shazeer 2020. */
export function gatedMlp(hidden: number, activation: Activation, options: MlpOptions = {}): MlpFactory {
  return (settings) => new GatedMlp(withBias(settings, options), hidden, activation)
}

/** Two linears with erf-GELU between them. */
export function gelu(hidden: number, options: MlpOptions = {}): MlpFactory {
  return plainMlp(hidden, applyGelu, options)
}

/** down(silu(gate(x)) · up(x)). Shazeer 2020. */
export function swiglu(hidden: number, options: MlpOptions = {}): MlpFactory {
  return gatedMlp(hidden, silu, options)
}

function withBias({ linear, output, ...rest }: MlpSettings, { bias }: MlpOptions): MlpSettings {
  return bias === undefined ? { ...rest, linear, output } : { ...rest, linear: { ...linear, bias }, output: { ...output, bias } }
}
