import { elementCount } from '../base/dtype.ts'
import { OptionError } from '../base/errors.ts'
import { refuseUnknown } from '../base/options.ts'
import {
  concat,
  constant,
  cos,
  exp,
  type Initializer,
  matmul,
  multiply,
  negate,
  parameter,
  reshape,
  sin,
  slice,
  subtract,
  type Tensor,
  unsqueeze,
  type Variable,
} from '../tensor/index.ts'
import { toTensor } from '../tensor/tensor.ts'
import { logUniform, normal } from './initializers.ts'
import type { LinearSystem, StateSpace } from './linear-system.ts'
import { divideSpectra, multiplySpectra, type Spectrum } from './real-fourier.ts'
import { checkSizes } from './sizes.ts'

export interface DiagonalOptions {
  /** Systems side by side. */
  readonly heads: number
  /** Real states of each: a mode of 'lin' has two. */
  readonly state: number
  /** S4D-Lin: modes −1/2 + iπn; S4D-Real: −(n + 1). Default 'lin'. */
  readonly start?: 'lin' | 'real'
}

/**
 * Trained diagonal systems, held between steps (zero-order hold): x_{t+1} = e^(Δλ)·x_t + (e^(Δλ) − 1)/λ·u_t. Gu et al. 2022 (S4D), sections
 * 3 and 4. What companion systems are compared with: one head has no way to shift. Throws OptionError on bad sizes, an odd number of states
 * for 'lin', and unknown options.
 */
export class Diagonal implements StateSpace {
  /** log Δ `[head]`. */
  readonly log_step: Variable
  /** log(−Re λ) `[head, mode]`. */
  readonly log_decay: Variable
  /** Im λ `[head, mode]`; without it modes are real. */
  readonly frequency?: Variable
  /** Re c `[head, mode]`. */
  readonly c_real: Variable
  /** Im c `[head, mode]`. */
  readonly c_imaginary?: Variable

  constructor(options: DiagonalOptions) {
    refuseUnknown(options, ['heads', 'state', 'start'], 'Diagonal')
    const { heads, state, start = 'lin' } = options
    checkSizes({ heads, state })
    if (start !== 'lin' && start !== 'real') throw new OptionError(`start is ${String(start)}`, { expected: "'lin' or 'real'" })
    if (start === 'lin' && state % 2 !== 0)
      throw new OptionError(`${state} states`, { expected: "an even number: a mode of 'lin' has two" })
    const modes = [heads, start === 'lin' ? state / 2 : state]
    this.log_step = parameter([heads], logSteps)
    this.log_decay = parameter(
      modes,
      byMode((n) => Math.log(start === 'lin' ? 0.5 : n + 1)),
    )
    this.c_real = parameter(modes, normal(Math.SQRT1_2))
    if (start === 'real') return
    this.frequency = parameter(
      modes,
      byMode((n) => Math.PI * n),
    )
    this.c_imaginary = parameter(modes, normal(Math.SQRT1_2))
  }

  /** In real numbers: the states are the real parts of all modes, then the imaginary ones. */
  system(): LinearSystem {
    const { rate, input, readout } = this.#modes()
    const { real, imaginary } = exponential(rate)
    if (this.frequency === undefined) return { matrix: diagonalMatrix(real), b: input.real, c: readout.real }
    const upper = concat([diagonalMatrix(real), negate(diagonalMatrix(imaginary))], 2)
    const lower = concat([diagonalMatrix(imaginary), diagonalMatrix(real)], 2)
    return {
      matrix: concat([upper, lower], 1),
      b: concat([input.real, input.imaginary], 1),
      c: concat([readout.real, negate(readout.imaginary)], 1),
    }
  }

  /** Re Σ readout·input·e^(t·rate), t = far·stride + near: products of few exponentials are all of them. */
  kernel(length: number): Tensor {
    checkSizes({ length })
    const { rate, input, readout } = this.#modes()
    const near = Math.ceil(Math.sqrt(length))
    const far = Math.ceil(length / near)
    const left = multiplySpectra(asRows(multiplySpectra(input, readout)), exponential(outer(rate, far, near)))
    const right = exponential(outer(rate, near, 1))
    const product = (a: Tensor, b: Tensor) => matmul(a, b, { transposeB: true })
    const values = subtract(product(left.real, right.real), product(left.imaginary, right.imaginary))
    return slice(reshape(values, [-1, far * near]), 1, 0, length)
  }

  /** Of each mode `[head, mode]`: Δλ, how inputs enter, and how states are read; pairs of conjugates count twice. */
  #modes(): { readonly rate: Spectrum; readonly input: Spectrum; readonly readout: Spectrum } {
    const step = reshape(exp(this.log_step), [-1, 1])
    const real = negate(multiply(step, exp(this.log_decay)))
    const none = multiply(real, 0)
    const rate = { real, imaginary: this.frequency === undefined ? none : multiply(step, this.frequency) }
    const turned = exponential(rate)
    const grown = divideSpectra({ real: subtract(turned.real, 1), imaginary: turned.imaginary }, rate)
    const input = { real: multiply(grown.real, step), imaginary: multiply(grown.imaginary, step) }
    if (this.c_imaginary === undefined) return { rate, input, readout: { real: toTensor(this.c_real), imaginary: none } }
    return { rate, input, readout: { real: multiply(this.c_real, 2), imaginary: multiply(this.c_imaginary, 2) } }
  }
}

/** e^x. */
function exponential({ real, imaginary }: Spectrum): Spectrum {
  const size = exp(real)
  return { real: multiply(size, cos(imaginary)), imaginary: multiply(size, sin(imaginary)) }
}

/** `[head, mode]` → `[head, 1, mode]`. */
function asRows({ real, imaginary }: Spectrum): Spectrum {
  return { real: unsqueeze(real, 1), imaginary: unsqueeze(imaginary, 1) }
}

/** `[head, mode]` → `[head, count, mode]`: times 0, stride, 2·stride, … */
function outer(rate: Spectrum, count: number, stride: number): Spectrum {
  const times = constant(
    Array.from({ length: count }, (_, i) => i * stride),
    [count, 1],
  )
  const { real, imaginary } = asRows(rate)
  return { real: multiply(real, times), imaginary: multiply(imaginary, times) }
}

/** `[head, mode]` → `[head, mode, mode]`. */
function diagonalMatrix(values: Tensor): Tensor {
  const modes = values.shape[1] as number
  const identity = Float32Array.from({ length: modes * modes }, (_, at) => Number(at % (modes + 1) === 0))
  return multiply(unsqueeze(values, 2), constant(identity, [modes, modes]))
}

/** Logarithms of steps that are log-uniform in [0.001, 0.1), as S4's are. */
const logSteps: Initializer = (shape, rng) => logUniform(0.001, 0.1)(shape, rng).map(Math.log)

function byMode(of: (mode: number) => number): Initializer {
  return (shape) => Float32Array.from({ length: elementCount(shape) }, (_, i) => of(i % shape[1]!))
}
