import { add, silu, type Tensor, type TensorOperand } from '../tensor/index.ts'
import { Conv2d } from './convolution.ts'
import { GroupNorm } from './group-norm.ts'
import { zeros } from './initializers.ts'

/**
 * x + conv₂(silu(norm₂(conv₁(silu(norm₁(x)))))), 3×3 kernels, with a 1×1 convolution of x where the channels change (He et al. 2016,
 * pre-activation). conv₂ starts at 0, so that an untrained block changes nothing. Throws OptionError on bad sizes.
 */
export class ResidualBlock2d {
  readonly norm1: GroupNorm
  readonly conv1: Conv2d
  readonly norm2: GroupNorm
  readonly conv2: Conv2d
  readonly shortcut?: Conv2d

  constructor(inputs: number, outputs: number) {
    this.norm1 = new GroupNorm(normGroups(inputs), inputs)
    this.conv1 = new Conv2d(inputs, outputs)
    this.norm2 = new GroupNorm(normGroups(outputs), outputs)
    this.conv2 = new Conv2d(outputs, outputs, { weight: zeros })
    if (inputs !== outputs) this.shortcut = new Conv2d(inputs, outputs, { kernel: 1 })
  }

  /** `[batch, inputs, y, x]` → `[batch, outputs, y, x]`. */
  forward(x: TensorOperand): Tensor {
    const inner = this.conv1.forward(silu(this.norm1.forward(x)))
    const change = this.conv2.forward(silu(this.norm2.forward(inner)))
    return add(this.shortcut?.forward(x) ?? x, change)
  }
}

/** At most 8 groups, of at least 4 channels each where there are as many. */
export function normGroups(channels: number): number {
  return [8, 4, 2].find((groups) => channels % (4 * groups) === 0) ?? 1
}
