import { elementCount } from '../base/dtype.ts'
import { refuseUnknown } from '../base/options.ts'
import {
  add,
  exp,
  type Initializer,
  multiply,
  negate,
  pad,
  parameter,
  reshape,
  silu,
  slice,
  split,
  type Tensor,
  type TensorOperand,
  type Variable,
} from '../tensor/index.ts'
import { toTensor } from '../tensor/tensor.ts'
import { fanInUniform, logUniform, ones, uniform } from './initializers.ts'
import { Linear } from './linear.ts'
import { selectiveScan } from './selective-scan.ts'
import { checkSizes } from './sizes.ts'
import { inverseSoftplus, softplus } from './softplus.ts'

export interface MambaOptions {
  /** States of each channel. Default 16. */
  readonly state?: number
  /** Channels are the width times this. Default 1. */
  readonly expand?: number
  /** Steps that the convolution sees. Default 2. */
  readonly kernel?: number
}

const optionNames = ['state', 'expand', 'kernel'] satisfies (keyof MambaOptions)[]

/** Each channel of `[batch, time, channel]` with the `kernel` steps up to its own; reverse: with those from its own on. */
class DepthwiseConvolution {
  /** `[channel, 1, kernel]`. */
  readonly weight: Variable
  readonly bias: Variable
  readonly #kernel: number
  readonly #reverse: boolean

  constructor(channels: number, kernel: number, reverse: boolean) {
    const { weight, bias } = fanInUniform(kernel)
    this.weight = parameter([channels, 1, kernel], weight)
    this.bias = parameter([channels], bias)
    this.#kernel = kernel
    this.#reverse = reverse
  }

  /** Tap by tap: few taps on wide rows are faster so than in the runtime's convolution. */
  forward(x: Tensor): Tensor {
    const reach = this.#kernel - 1
    const padded = this.#reverse ? pad(x, 1, 0, reach) : pad(x, 1, reach, 0)
    const taps = Array.from({ length: this.#kernel }, (_, tap) => {
      const start = this.#reverse ? reach - tap : tap
      const weight = reshape(slice(this.weight, 2, tap, tap + 1), [-1])
      return multiply(slice(padded, 1, start, start + (x.shape[1] as number)), weight)
    })
    return taps.reduce((sum, tap) => add(sum, tap), toTensor(this.bias))
  }
}

/**
 * The block of Mamba: a gated selective state space. Gu & Dao 2023, section 3.4 and figure 3; names and initial values are those of the
 * authors' code. Work is linear in time. Throws OptionError on bad sizes and unknown options.
 */
export class Mamba {
  readonly in_proj: Linear
  readonly conv1d: DepthwiseConvolution
  readonly x_proj: Linear
  readonly dt_proj: Linear
  /** log(−A) `[channel, state]`. */
  readonly A_log: Variable
  readonly D: Variable
  readonly out_proj: Linear
  readonly #sizes: { readonly rank: number; readonly state: number; readonly channels: number }
  readonly #reverse: boolean

  /** `reverse`: from the last slot to the first, as if slots were flipped before and after. */
  constructor(width: number, options: MambaOptions = {}, { reverse = false }: { readonly reverse?: boolean } = {}) {
    refuseUnknown(options, optionNames, 'Mamba')
    const { state = 16, expand = 1, kernel = 2 } = options
    checkSizes({ width, state, expand, kernel })
    const [rank, channels] = [Math.ceil(width / 16), width * expand]
    const plain = (inputs: number, outputs: number) => new Linear(inputs, outputs, { weight: fanInUniform(inputs).weight })
    this.in_proj = plain(width, 2 * channels)
    this.conv1d = new DepthwiseConvolution(channels, kernel, reverse)
    this.x_proj = plain(channels, rank + 2 * state)
    this.dt_proj = new Linear(rank, channels, { weight: uniform(rank ** -0.5), bias: stepBias })
    this.A_log = parameter([channels, state], (shape) =>
      Float32Array.from({ length: elementCount(shape) }, (_, i) => Math.log(1 + (i % state))),
    )
    this.D = parameter([channels], ones)
    this.out_proj = plain(channels, width)
    this.#sizes = { rank, state, channels }
    this.#reverse = reverse
  }

  /** `[batch, slot, width]` → the same shape; a slot sees those before it. */
  forward(x: TensorOperand): Tensor {
    const { rank, state, channels } = this.#sizes
    const [inner, gate] = split(this.in_proj.forward(x), 2, [channels, channels])
    const seen = silu(this.conv1d.forward(inner!))
    const [step, b, c] = split(this.x_proj.forward(seen), 2, [rank, state, state])
    const delta = softplus(this.dt_proj.forward(step!))
    const a = negate(exp(this.A_log))
    const read = selectiveScan({ x: seen, delta, a, b: b!, c: c!, d: this.D }, { reverse: this.#reverse })
    return this.out_proj.forward(multiply(read, silu(gate!)))
  }
}

/** Two blocks, one of which reads the slots from the last to the first: forward(x) + flip(backward(flip(x))). Wang et al. 2024 (S-Mamba). */
export class BidirectionalMamba {
  readonly ahead: Mamba
  readonly back: Mamba

  /** Throws as `Mamba` does. */
  constructor(width: number, options: MambaOptions = {}) {
    this.ahead = new Mamba(width, options)
    this.back = new Mamba(width, options, { reverse: true })
  }

  /** `[batch, slot, width]` → the same shape; a slot sees all. */
  forward(x: TensorOperand): Tensor {
    return add(this.ahead.forward(x), this.back.forward(x))
  }
}

/** What softplus makes log-uniform step lengths of. */
const stepBias: Initializer = (shape, rng) => logUniform(0.001, 0.1)(shape, rng).map(inverseSoftplus)
