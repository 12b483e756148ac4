import { OptionError } from '../base/errors.ts'
import { refuseUnknown } from '../base/options.ts'
import {
  add,
  conv2d,
  type Initializer,
  parameter,
  reshape,
  type Tensor,
  type TensorOperand,
  type Variable,
} from '../tensor/index.ts'
import { heNormal, zeros } from './initializers.ts'
import { checkSizes } from './sizes.ts'

export interface Conv2dOptions {
  /** Side of the square kernel. Default 3. */
  readonly kernel?: number
  /** Default 1. */
  readonly stride?: number
  /** Zeros on every side. Default ⌊(kernel − 1) / 2⌋: odd kernels keep the size, and a kernel of 4 with stride 2 halves it. */
  readonly padding?: number
  /** Groups of channels that do not see one another; they divide inputs and outputs. Default 1. */
  readonly groups?: number
  /** Default: normal with variance 2 / (inputs of an output) (He et al. 2015). */
  readonly weight?: Initializer
  /** Default 0; `false`: no bias. */
  readonly bias?: Initializer | false
}

/**
 * Cross-correlation of pictures, with zeros around them: `weight` is `[outputs, inputs / groups, kernel, kernel]`, `bias` `[outputs]`, as in
 * PyTorch's checkpoints. Throws OptionError on bad sizes, groups that do not divide, and unknown options.
 */
export class Conv2d {
  readonly weight: Variable
  readonly bias?: Variable
  readonly #options: { readonly stride: number; readonly padding: number; readonly groups: number }

  constructor(inputs: number, outputs: number, options: Conv2dOptions = {}) {
    refuseUnknown(options, ['kernel', 'stride', 'padding', 'groups', 'weight', 'bias'], 'Conv2d')
    const { kernel = 3, stride = 1, groups = 1, weight = heNormal, bias = zeros } = options
    checkSizes({ inputs, outputs, kernel, stride, groups })
    const { padding = Math.floor((kernel - 1) / 2) } = options
    if (!Number.isSafeInteger(padding) || padding < 0)
      throw new OptionError(`padding is ${padding}`, { expected: 'an integer ≥ 0' })
    if (inputs % groups !== 0 || outputs % groups !== 0)
      throw new OptionError(`${groups} groups of ${inputs} inputs and ${outputs} outputs`, { expected: 'a divisor of both' })
    this.weight = parameter([outputs, inputs / groups, kernel, kernel], weight)
    if (bias !== false) this.bias = parameter([outputs], bias)
    this.#options = { stride, padding, groups }
  }

  /** `[batch, inputs, y, x]` → `[batch, outputs, ⌊(y + 2·padding − kernel) / stride⌋ + 1, …]`. */
  forward(x: TensorOperand): Tensor {
    const result = conv2d(x, this.weight, this.#options)
    return this.bias === undefined ? result : add(result, perChannel(this.bias))
  }
}

/** `[channel]` → `[channel, 1, 1]`, which broadcasts over pictures `[batch, channel, y, x]`. */
export function perChannel(values: TensorOperand): Tensor {
  return reshape(values, [-1, 1, 1])
}
