import { refuseUnknown } from '../base/options.ts'
import {
  abs,
  add,
  concat,
  constant,
  divide,
  gather,
  type Initializer,
  maximum,
  multiply,
  negate,
  pad,
  parameter,
  reshape,
  slice,
  sum,
  type Tensor,
  type TensorOperand,
  transpose,
  type Variable,
} from '../tensor/index.ts'
import { toTensor } from '../tensor/tensor.ts'
import { uniform } from './initializers.ts'
import type { LinearSystem, StateSpace } from './linear-system.ts'
import { correlateSpectra, divideSpectra, fourierLength, multiplySpectra, RealFourier, type Spectrum } from './real-fourier.ts'
import { checkSizes } from './sizes.ts'

/** `[head, state]` with Σ|a| = 1 in each head, so that no power of the companion matrix grows; a column of 0 stays as it is. */
export function normalizedColumn(a: TensorOperand): Tensor {
  return divide(a, maximum(sum(abs(a), -1, { keep: true }), 1e-6))
}

/** The shift by one state, whose last column is a: `[head, state]` → A `[head, state, state]`, (A·x)_i = x_{i−1} + a_i·x_last. */
export function companionMatrix(a: TensorOperand): Tensor {
  const column = toTensor(a)
  const [heads, state] = column.shape as [number, number]
  const shift = constant(
    Float32Array.from({ length: state * state }, (_, at) => (Math.floor(at / state) === (at % state) + 1 ? 1 : 0)),
    [state, state],
  )
  return add(pad(reshape(column, [heads, state, 1]), 2, state - 1, 0), shift)
}

export interface CompanionOperands {
  /** Last column of A, Σ|a| ≤ 1 `[head, state]`. */
  readonly a: TensorOperand
  /** `[head, state]`. */
  readonly b: TensorOperand
  /** `[head, state]`. */
  readonly c: TensorOperand
}

/** Values of a spectrum are taken on a circle inside the unit circle, where so much is left of what runs round it once. */
const aliasing = 1e-6

/**
 * c·Aᵗ·b for t < length, A the companion matrix of a: `[head, length]`, without any power of A. Σ_t zᵗ·c·Aᵗ·b is a quotient of polynomials,
 * q(c,b) + z·q(c,a)·q(e,b) / (1 − z·q(e,a)) with q(u,v) = Σ_m z^m·Σ_j u_{j+m}·v_j and e the last unit vector (Sherman–Morrison, as in Zhang
 * et al. 2023, appendix B). Its values on a circle of four times the length give the kernel by a Fourier transform. The circle's radius
 * keeps the quotient finite at Σ|a| = 1 and makes terms beyond the circle negligible, where the paper takes C·(I − A^length) instead.
 */
export function companionKernel(operands: CompanionOperands, length: number): Tensor {
  checkSizes({ length })
  const [a, b, c] = [operands.a, operands.b, operands.c].map((rows) => transpose(toTensor(rows))) as [Tensor, Tensor, Tensor]
  const [state, heads] = a.shape as [number, number]
  const fourier = new RealFourier(fourierLength(Math.max(4 * length, state + 1)))
  const radius = aliasing ** (1 / fourier.length)
  const powers = (count: number, sign: number) =>
    constant(
      Array.from({ length: count }, (_, t) => radius ** (sign * t)),
      [count, 1],
    )
  const behind = (polynomial: Tensor) => pad(polynomial, 0, 0, 1)
  const times = (polynomial: Tensor) => pad(polynomial, 0, 1, 0)
  const [cb, ca] = lagProducts(c, [b, a]) as [Tensor, Tensor]
  const one = constant([1], [1, 1])
  const denominator = add(pad(one, 0, 0, state), negate(times(flipped(a))))
  const polynomials = multiply(concat([behind(cb), times(ca), behind(flipped(b)), denominator], 1), powers(state + 1, 1))
  const [p, q, r, s] = columns(fourier.forward(pad(polynomials, 0, 0, fourier.length - state - 1)), heads) as [
    Spectrum,
    Spectrum,
    Spectrum,
    Spectrum,
  ]
  const quotient = divideSpectra(multiplySpectra(q, r), s)
  const values = fourier.inverse({ real: add(p.real, quotient.real), imaginary: add(p.imaginary, quotient.imaginary) })
  return transpose(multiply(slice(values, 0, 0, length), powers(length, -1)))
}

/** Σ_j u_{j+m}·v_j for m from 0, of columns `[state, head]`. */
function lagProducts(u: Tensor, others: readonly Tensor[]): Tensor[] {
  const state = u.shape[0] as number
  const fourier = new RealFourier(fourierLength(2 * state))
  const spectrum = (x: Tensor) => fourier.forward(pad(x, 0, 0, fourier.length - state))
  const own = spectrum(u)
  return others.map((v) => slice(fourier.inverse(correlateSpectra(own, spectrum(v))), 0, 0, state))
}

/** The last row first. */
function flipped(x: Tensor): Tensor {
  const rows = x.shape[0] as number
  return gather(
    x,
    constant(
      Int32Array.from({ length: rows }, (_, i) => rows - 1 - i),
      [rows],
      'int32',
    ),
  )
}

/** Spectra that stand side by side, `width` columns each. */
function columns({ real, imaginary }: Spectrum, width: number): Spectrum[] {
  const count = (real.shape.at(-1) as number) / width
  return Array.from({ length: count }, (_, i) => ({
    real: slice(real, -1, i * width, (i + 1) * width),
    imaginary: slice(imaginary, -1, i * width, (i + 1) * width),
  }))
}

export interface CompanionOptions {
  /** Systems side by side. */
  readonly heads: number
  readonly state: number
  /** Of a, b and c. Default: uniform in ±1/√state. */
  readonly initializer?: Initializer
}

/** Trained companion systems: unlike diagonal ones they can be any autoregression of `state` lags. Zhang et al. 2023 (SpaceTime), section 3.1. */
export class Companion implements StateSpace {
  /** Before it is normalised. */
  readonly a: Variable
  readonly b: Variable
  readonly c: Variable

  /** Throws OptionError on bad sizes and unknown options. */
  constructor(options: CompanionOptions) {
    refuseUnknown(options, ['heads', 'state', 'initializer'], 'Companion')
    const { heads, state } = options
    checkSizes({ heads, state })
    const { initializer = uniform(1 / Math.sqrt(state)) } = options
    const rows = () => parameter([heads, state], initializer)
    ;[this.a, this.b, this.c] = [rows(), rows(), rows()]
  }

  system(): LinearSystem {
    return { matrix: companionMatrix(normalizedColumn(this.a)), b: toTensor(this.b), c: toTensor(this.c) }
  }

  kernel(length: number): Tensor {
    return companionKernel({ a: normalizedColumn(this.a), b: this.b, c: this.c }, length)
  }
}
