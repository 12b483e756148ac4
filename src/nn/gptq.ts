import { NonFiniteError, OptionError, ShapeError } from '../base/errors.ts'
import type { QuantizedValues } from './quantized-matrix.ts'
import { blockScale, CodeWriter, checkWeights, type RoundOptions } from './round-weights.ts'

export interface CompensateOptions extends RoundOptions {
  /** Added to the diagonal, as a part of its mean. Default 0.01; more when that is not enough for a factorisation. */
  readonly damping?: number
}

export interface Compensated {
  readonly values: QuantizedValues
  /** The damping that was used. */
  readonly damping: number
}

/**
 * Rounds a matrix column after column, and lets every column make up for the errors of those before it, as far as its inputs are
 * correlated with theirs. GPTQ (Frantar et al. 2023) in the form of LDLQ (Chee et al. 2023, theorem 6), which needs no inverse: with
 * H = M·D·Mᵀ, M upper triangular with ones on its diagonal, ŵ_k = round(w_k + Σ_{j<k} (w_j − ŵ_j)·M_jk).
 *
 * `hessian` is Σ x·xᵀ over calibration inputs x, `[columns, columns]`. A block's scale is that of its weights as they are when the block
 * begins. Inputs that never were anything but 0 have no correlations; their weights are rounded to the nearest.
 * @throws NonFiniteError, OptionError or ShapeError on what cannot be rounded
 */
export function compensateWeights(
  weights: Float32Array,
  rows: number,
  columns: number,
  hessian: Float64Array,
  options: CompensateOptions,
): Compensated {
  checkWeights(weights, rows, columns, options)
  if (hessian.length !== columns * columns) {
    throw new ShapeError(`a Hessian of ${hessian.length} values for [${rows}, ${columns}] weights`, { expected: `${columns}²` })
  }
  const { feedback, damping } = factorise(hessian, columns, options.damping ?? 0.01)
  const writer = new CodeWriter(rows, columns, options)
  for (let first = 0; first < rows; first += strip) {
    roundStrip(weights, first, Math.min(rows, first + strip), columns, feedback, writer, options)
  }
  return { values: writer.values, damping }
}

/** Rows that are rounded together, so that the factors are read once for all of them. */
const strip = 16

function roundStrip(
  weights: Float32Array,
  first: number,
  end: number,
  columns: number,
  feedback: Float64Array,
  writer: CodeWriter,
  { bits, blockSize, clip = 'none' }: CompensateOptions,
): void {
  const rows = Array.from({ length: end - first }, (_, i) => new StripRow(weights, first + i, columns, blockSize))
  for (let start = 0; start < columns; start += blockSize) {
    const size = Math.min(blockSize, columns - start)
    const factorsOf = (column: number, from: number, to: number) =>
      feedback.subarray(column * columns + from, column * columns + to)
    for (let i = 0; i < size; i++) {
      const factors = factorsOf(start + i, 0, start)
      for (const row of rows) row.wanted[i] = row.own[start + i]! + dot(row.errors, 0, factors, start)
    }
    const scales = rows.map((row, i) => {
      const scale = blockScale(row.unrounded(start, size, factorsOf), bits, clip)
      writer.setScale(first + i, start / blockSize, scale)
      return scale
    })
    for (let i = 0; i < size; i++) {
      const factors = factorsOf(start + i, start, start + i)
      for (const [r, row] of rows.entries()) {
        const target = row.wanted[i]! + dot(row.errors, start, factors, i)
        row.errors[start + i] = row.own[start + i]! - writer.put(first + r, start + i, target, scales[r]!)
      }
    }
  }
}

class StripRow {
  /** The weights as they were. */
  readonly own: Float32Array
  /** What each weight is more than what stands for it. */
  readonly errors: Float64Array
  /** The weights of a block with the errors of all blocks before it made up for. */
  readonly wanted: Float64Array

  constructor(weights: Float32Array, row: number, columns: number, blockSize: number) {
    this.own = weights.subarray(row * columns, (row + 1) * columns)
    this.errors = new Float64Array(columns)
    this.wanted = new Float64Array(blockSize)
  }

  /** The best weights of a block if the rest were not rounded: each column also makes up for how the ones before it moved. */
  unrounded(start: number, size: number, factorsOf: (column: number, from: number, to: number) => Float64Array): Float64Array {
    const best = new Float64Array(size)
    for (let i = 0; i < size; i++) {
      best[i] = this.wanted[i]! + dot(this.errors, start, factorsOf(start + i, start, start + i), i)
      this.errors[start + i] = this.own[start + i]! - best[i]!
    }
    return best
  }
}

/** Σ a[from + i]·b[i], in four sums that do not wait for one another. */
function dot(a: Float64Array, from: number, b: Float64Array, length: number): number {
  let [s0, s1, s2, s3] = [0, 0, 0, 0]
  let i = 0
  for (; i + 3 < length; i += 4) {
    s0 += a[from + i]! * b[i]!
    s1 += a[from + i + 1]! * b[i + 1]!
    s2 += a[from + i + 2]! * b[i + 2]!
    s3 += a[from + i + 3]! * b[i + 3]!
  }
  for (; i < length; i++) s0 += a[from + i]! * b[i]!
  return s0 + s1 + (s2 + s3)
}

/** Where even this much of the mean is not enough, the Hessian is none. */
const mostDamping = 10

/** `feedback[k][j]`, j < k: how much of the error of column j column k makes up for (Mᵀ). */
function factorise(hessian: Float64Array, size: number, least: number): { feedback: Float64Array; damping: number } {
  if (!(least > 0 && least <= mostDamping))
    throw new OptionError(`damping ${least}`, { expected: `above 0, at most ${mostDamping}` })
  const diagonal = Float64Array.from({ length: size }, (_, i) => hessian[i * size + i]!)
  const mean = diagonal.reduce((sum, value) => sum + value, 0) / size
  if (!Number.isFinite(mean)) throw new NonFiniteError('the calibration inputs are not finite')
  for (let damping = least; damping <= mostDamping; damping *= 10) {
    const factor = choleskyFromEnd(hessian, size, damping * mean)
    if (factor !== undefined) return { feedback: feedbackOf(factor, size), damping }
  }
  throw new OptionError(`the Hessian of the calibration inputs is not positive, even with ${mostDamping} times its mean added`, {
    fix: 'calibrate with more and other text',
  })
}

/** Upper triangular R with R·Rᵀ = H + added·I, row by row from the last column; undefined where H is not positive. */
function choleskyFromEnd(hessian: Float64Array, size: number, added: number): Float64Array | undefined {
  const factor = new Float64Array(size * size)
  for (let k = size - 1; k >= 0; k--) {
    const rowK = factor.subarray(k * size + k + 1, (k + 1) * size)
    const rest = size - k - 1
    // Without any input at all the damping is 0 too.
    const own = hessian[k * size + k]! + added || 1
    const pivot = own - dot(factor, k * size + k + 1, rowK, rest)
    if (!(pivot > own * 1e-12)) return undefined
    const root = Math.sqrt(pivot)
    factor[k * size + k] = root
    for (let j = 0; j < k; j++) {
      factor[j * size + k] = (hessian[j * size + k]! - dot(factor, j * size + k + 1, rowK, rest)) / root
    }
  }
  return factor
}

function feedbackOf(factor: Float64Array, size: number): Float64Array {
  const feedback = new Float64Array(size * size)
  for (let k = 0; k < size; k++) {
    const root = factor[k * size + k]!
    for (let j = 0; j < k; j++) feedback[k * size + j] = factor[j * size + k]! / root
  }
  return feedback
}

/** Σ over rows of (ŵ − w)·H·(ŵ − w)ᵀ: the squared error of the layer's outputs over the calibration inputs. */
export function outputError(weights: Float32Array, rounded: Float32Array, columns: number, hessian: Float64Array): number {
  let total = 0
  for (let start = 0; start < weights.length; start += columns) {
    const change = Float64Array.from({ length: columns }, (_, i) => rounded[start + i]! - weights[start + i]!)
    for (let i = 0; i < columns; i++) {
      total += change[i]! * dot(hessian, i * columns, change, columns)
    }
  }
  return total
}
