import { OptionError } from '../base/errors.ts'
import { refuseUnknown } from '../base/options.ts'
import {
  add,
  layerNorm as applyLayerNorm,
  rmsNorm as applyRmsNorm,
  parameter,
  type Tensor,
  type TensorOperand,
  type Variable,
} from '../tensor/index.ts'
import { ones, zeros } from './initializers.ts'

/** Normalises the last axis. */
export interface Norm {
  forward(x: TensorOperand): Tensor
}

/** Makes a norm for a width; what architectures take as a value. */
export type NormFactory = (width: number) => Norm

class LayerNorm implements Norm {
  readonly weight: Variable
  readonly bias?: Variable
  readonly #epsilon: number

  constructor(width: number, { epsilon, bias }: { epsilon: number; bias: boolean }) {
    this.weight = parameter([width], ones)
    if (bias) this.bias = parameter([width], zeros)
    this.#epsilon = epsilon
  }

  forward(x: TensorOperand): Tensor {
    return applyLayerNorm(x, this.weight, this.bias, this.#epsilon)
  }
}

class RmsNorm implements Norm {
  readonly weight: Variable
  readonly #epsilon: number
  readonly #offset: number

  constructor(width: number, { epsilon, offset }: { epsilon: number; offset: number }) {
    this.weight = parameter([width], () => new Float32Array(width).fill(1 - offset))
    this.#epsilon = epsilon
    this.#offset = offset
  }

  forward(x: TensorOperand): Tensor {
    return applyRmsNorm(x, this.#offset === 0 ? this.weight : add(this.weight, this.#offset), this.#epsilon)
  }
}

/** Layer normalisation. Ba et al. 2016. Throws OptionError on a bad epsilon or unknown options. */
export function layerNorm(options: { readonly epsilon?: number; readonly bias?: boolean } = {}): NormFactory {
  refuseUnknown(options, ['epsilon', 'bias'], 'layerNorm')
  const { epsilon = 1e-5, bias = true } = options
  checkEpsilon(epsilon)
  return (width) => new LayerNorm(width, { epsilon, bias })
}

export interface RmsNormOptions {
  /** Default 1e-5. */
  readonly epsilon?: number
  /** Added to the weights, which start such that scales are 1: Gemma keeps scale − 1. Default 0. */
  readonly offset?: number
}

/** Root-mean-square normalisation. Zhang & Sennrich 2019. Throws OptionError on a bad epsilon or offset or unknown options. */
export function rmsNorm(options: RmsNormOptions = {}): NormFactory {
  refuseUnknown(options, ['epsilon', 'offset'], 'rmsNorm')
  const { epsilon = 1e-5, offset = 0 } = options
  checkEpsilon(epsilon)
  if (!Number.isFinite(offset)) throw new OptionError(`offset is ${offset}`, { expected: 'a finite number' })
  return (width) => new RmsNorm(width, { epsilon, offset })
}

function checkEpsilon(epsilon: number): void {
  if (!(epsilon >= 0 && epsilon < Number.POSITIVE_INFINITY))
    throw new OptionError(`epsilon is ${epsilon}`, { expected: 'a finite number ≥ 0' })
}
