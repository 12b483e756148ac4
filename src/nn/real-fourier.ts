import { ShapeError } from '../base/errors.ts'
import {
  add,
  constant,
  divide,
  matmul,
  multiply,
  negate,
  reshape,
  square,
  subtract,
  type Tensor,
  type TensorOperand,
} from '../tensor/index.ts'
import { toTensor } from '../tensor/tensor.ts'
import { checkSizes } from './sizes.ts'

/** Complex values; both parts have one shape. */
export interface Spectrum {
  readonly real: Tensor
  readonly imaginary: Tensor
}

/** Lengths up to this are transformed by one matrix, which is faster there than two steps. */
const longestDirect = 256

/**
 * The discrete Fourier transform of real series as matrix products, which run (and have gradients) wherever the runtime does; ONNX's own
 * DFT does not. Long series are read as a matrix `[first, second]` and transformed along its columns and then along its rows (Bailey 1990,
 * the four-step method), with the turns between the steps inside the second step's matrices: L·(first + 2·second) products instead of L²,
 * where L has divisors near √L. A prime length costs L²: choose another (`fourierLength`) where zeros may be added.
 *
 * Frequencies that conjugation gives are left out, and the others stand in an order that suits the steps: see `frequencies`.
 */
export class RealFourier {
  readonly length: number
  /** Which frequency (turns per length) each row of a spectrum has. With two steps a few stand beside their own conjugates. */
  readonly frequencies: readonly number[]
  readonly #second: number
  readonly #columns: Turns
  readonly #columnsBack: Turns
  readonly #rows: Turns

  /** Throws OptionError unless the length is an integer ≥ 1. */
  constructor(length: number) {
    checkSizes({ length })
    const second = secondSize(length)
    const first = length / second
    const kept = Math.floor(first / 2) + 1
    const frequency = (row: number) => Math.floor(row / second) + first * (row % second)
    this.length = length
    this.frequencies = Array.from({ length: kept * second }, (_, row) => frequency(row))
    this.#second = second
    this.#columns = turns([kept, first], first, (k, n) => k * n)
    // Rows whose conjugates are left out count twice.
    const share = (k: number) => (k === 0 || 2 * k === first ? 1 : 2) / length
    this.#columnsBack = turns(
      [first, kept],
      first,
      (n, k) => n * k,
      (_n, k) => share(k),
    )
    const rows = turns([kept * second, second], length, (row, n) => frequency(row) * n)
    this.#rows = { cosines: reshape(rows.cosines, [kept, second, second]), sines: reshape(rows.sines, [kept, second, second]) }
  }

  /** x `[…, length, channel]` → parts `[…, frequency, channel]`: Σ_t x_t·e^(−2πi·frequency·t/length). Throws ShapeError on other lengths. */
  forward(x: TensorOperand): Spectrum {
    const series = toTensor(x)
    if (series.shape.at(-2) !== this.length)
      throw new ShapeError(`a series of ${series.shape.at(-2)} steps`, { expected: `${this.length} on the axis before the last` })
    const [before, channels] = [series.shape.slice(0, -2), series.shape.at(-1)!]
    const columns = reshape(series, [...before, this.length / this.#second, -1])
    const { cosines, sines } = this.#columns
    const turned = { real: matmul(cosines, columns), imaginary: negate(matmul(sines, columns)) }
    if (this.#second === 1) return turned
    const rows = reshapeParts(turned, [...before, -1, this.#second, channels])
    return reshapeParts(turn(this.#rows, rows), [...before, this.frequencies.length, channels])
  }

  /** Parts `[…, frequency, channel]` → the real series `[…, length, channel]` that they are the spectrum of. */
  inverse(spectrum: Spectrum): Tensor {
    const [before, channels] = [spectrum.real.shape.slice(0, -2), spectrum.real.shape.at(-1)!]
    const { real, imaginary } = this.#second === 1 ? spectrum : this.#rowsBack(spectrum)
    const { cosines, sines } = this.#columnsBack
    return reshape(subtract(matmul(cosines, real), matmul(sines, imaginary)), [...before, this.length, channels])
  }

  /** Undoes the second step: parts `[…, kept, second·channel]`. */
  #rowsBack(spectrum: Spectrum): Spectrum {
    const [before, channels] = [spectrum.real.shape.slice(0, -2), spectrum.real.shape.at(-1)!]
    const rows = reshapeParts(spectrum, [...before, -1, this.#second, channels])
    return reshapeParts(turnBack(this.#rows, rows), [...before, this.frequencies.length / this.#second, -1])
  }
}

/** Products of spectra, row by row: of series that are convolved round the circle. */
export function multiplySpectra(a: Spectrum, b: Spectrum): Spectrum {
  return {
    real: subtract(multiply(a.real, b.real), multiply(a.imaginary, b.imaginary)),
    imaginary: add(multiply(a.real, b.imaginary), multiply(a.imaginary, b.real)),
  }
}

/** a·conj(b): of Σ_t a_{t+τ}·b_t, indices round the circle. */
export function correlateSpectra(a: Spectrum, b: Spectrum): Spectrum {
  return {
    real: add(multiply(a.real, b.real), multiply(a.imaginary, b.imaginary)),
    imaginary: subtract(multiply(a.imaginary, b.real), multiply(a.real, b.imaginary)),
  }
}

/** a / b. */
export function divideSpectra(a: Spectrum, b: Spectrum): Spectrum {
  const { real, imaginary } = correlateSpectra(a, b)
  const norm = add(square(b.real), square(b.imaginary))
  return { real: divide(real, norm), imaginary: divide(imaginary, norm) }
}

/** The smallest length ≥ `least` that `RealFourier` is fast at: a multiple of a power of 2 near its root. */
export function fourierLength(least: number): number {
  checkSizes({ least })
  if (least <= longestDirect) return least
  const step = 2 ** Math.round(Math.log2(least) / 2)
  return step * Math.ceil(least / step)
}

function reshapeParts({ real, imaginary }: Spectrum, shape: Parameters<typeof reshape>[1]): Spectrum {
  return { real: reshape(real, shape), imaginary: reshape(imaginary, shape) }
}

/** The divisor of a length that makes two steps cheapest, or 1 where one step is. */
function secondSize(length: number): number {
  if (length <= longestDirect) return 1
  const cost = (second: number) => (second === 1 ? length : length / second + 2 * second)
  const divisors = Array.from({ length: Math.floor(length / 2) }, (_, i) => i + 1).filter((second) => length % second === 0)
  return divisors.reduce((best, second) => (cost(second) < cost(best) ? second : best))
}

/** Matrices of cos and sin of the angles. */
interface Turns {
  readonly cosines: Tensor
  readonly sines: Tensor
}

/** Angles 2π·steps/period, each times its share; whole turns are dropped before the division, which keeps the angles exact. */
function turns(
  [rows, columns]: readonly [number, number],
  period: number,
  steps: (row: number, column: number) => number,
  share: (row: number, column: number) => number = () => 1,
): Turns {
  const matrix = (of: (angle: number) => number) => {
    const value = (row: number, column: number) => share(row, column) * of((2 * Math.PI * (steps(row, column) % period)) / period)
    return constant(
      Float32Array.from({ length: rows * columns }, (_, at) => value(Math.floor(at / columns), at % columns)),
      [rows, columns],
    )
  }
  return { cosines: matrix(Math.cos), sines: matrix(Math.sin) }
}

/** Σ_n x_n·e^(−i·angle). */
function turn({ cosines, sines }: Turns, { real, imaginary }: Spectrum): Spectrum {
  return {
    real: add(matmul(cosines, real), matmul(sines, imaginary)),
    imaginary: subtract(matmul(cosines, imaginary), matmul(sines, real)),
  }
}

/** Σ_k x_k·e^(i·angle). */
function turnBack({ cosines, sines }: Turns, { real, imaginary }: Spectrum): Spectrum {
  const back = (matrix: Tensor, part: Tensor) => matmul(matrix, part, { transposeA: true })
  return {
    real: subtract(back(cosines, real), back(sines, imaginary)),
    imaginary: add(back(cosines, imaginary), back(sines, real)),
  }
}
