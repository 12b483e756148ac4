import { covariance, EigenvalueDecomposition, Matrix } from 'ml-matrix'
import { NonFiniteError, OptionError, ShapeError } from '../base/errors.ts'
import type { Rng } from '../base/rng.ts'

/** Vectors of one width, one per picture: `[count, width]`, row-major. */
export interface Features {
  readonly count: number
  readonly width: number
  readonly values: Float32Array
}

/** A normal distribution, in float64. */
export interface Gaussian {
  /** `[width]`. */
  readonly mean: ArrayLike<number>
  /** `[width, width]`, symmetric. */
  readonly covariance: ArrayLike<number>
}

/**
 * Mean and unbiased covariance of features. Throws ShapeError unless there are at least two rows of the stated width, NonFiniteError when
 * one holds a NaN or an infinity.
 */
export function gaussianOf(features: Features): Gaussian {
  checkFeatures(features)
  const rows = Matrix.from1DArray(features.count, features.width, features.values)
  return { mean: rows.mean('column'), covariance: covariance(rows).to1DArray() }
}

/**
 * The Fréchet distance of two normal distributions, |μ₁ − μ₂|² + tr(Σ₁ + Σ₂ − 2·(Σ₁^½·Σ₂·Σ₁^½)^½), which is the squared 2-Wasserstein
 * distance (Dowson & Landau 1982). Throws ShapeError when widths differ.
 */
export function frechetBetween(a: Gaussian, b: Gaussian): number {
  const width = a.mean.length
  const fits = [a, b].every(({ mean, covariance: { length } }) => mean.length === width && length === width * width)
  if (!fits || width === 0)
    throw new ShapeError(`means of ${width} and ${b.mean.length} numbers`, { expected: 'one width, and square covariances' })
  const [first, second] = [a, b].map((one) => Matrix.from1DArray(width, width, one.covariance)) as [Matrix, Matrix]
  const root = squareRoot(first)
  // Similar to Σ₁·Σ₂, and symmetric: its eigenvalues are real and ≥ 0, but for rounding.
  const product = symmetric(root.mmul(second).mmul(root))
  const overlap = eigenvalues(product).realEigenvalues.reduce((sum, value) => sum + Math.sqrt(Math.max(0, value)), 0)
  let shift = 0
  for (let i = 0; i < width; i++) shift += (a.mean[i]! - b.mean[i]!) ** 2
  return shift + first.trace() + second.trace() - 2 * overlap
}

/**
 * The Fréchet distance of two sets of features through the normal distributions that fit them (FID: Heusel et al. 2017, equation 6).
 * Small sets are further from their source than large ones: compare sets of one size only, and beside the floor of `frechetReport`.
 * Throws as `gaussianOf` and `frechetBetween` do.
 */
export function frechetDistance(a: Features, b: Features): number {
  return frechetBetween(gaussianOf(a), gaussianOf(b))
}

export interface FrechetReport {
  /** From generated pictures to real ones. */
  readonly distance: number
  /** From as many other real pictures to the same real ones: what a perfect generator would get. */
  readonly floor: number
}

/**
 * The distance of generated features to real ones, and its floor. Of the real features, as many as were generated are held back (chosen by
 * `rng`); both the generated and these are compared with the rest. Throws OptionError unless there are at least twice as many real
 * features as generated ones, and as `frechetDistance` does.
 * @example
 * const features = (count: number) => ({ count, width: 64, values: rng.fold(count).fillNormal(new Float32Array(count * 64)) })
 * const { distance, floor } = frechetReport({ real: features(400), generated: features(200), rng })
 */
export function frechetReport({
  real,
  generated,
  rng,
}: {
  readonly real: Features
  readonly generated: Features
  readonly rng: Rng
}): FrechetReport {
  if (real.count < 2 * generated.count)
    throw new OptionError(`frechetReport: ${generated.count} generated and ${real.count} real features`, {
      expected: 'at least twice as many real ones, half of them for the floor',
    })
  const order = rng.fold('floor').permutation(real.count)
  const [held, rest] = [order.subarray(0, generated.count), order.subarray(generated.count)]
  const reference = gaussianOf(rowsOf(real, rest))
  return {
    distance: frechetBetween(gaussianOf(generated), reference),
    floor: frechetBetween(gaussianOf(rowsOf(real, held)), reference),
  }
}

function rowsOf({ width, values }: Features, rows: Int32Array): Features {
  const chosen = new Float32Array(rows.length * width)
  rows.forEach((row, i) => {
    chosen.set(values.subarray(row * width, (row + 1) * width), i * width)
  })
  return { count: rows.length, width, values: chosen }
}

function squareRoot(matrix: Matrix): Matrix {
  const { realEigenvalues, eigenvectorMatrix } = eigenvalues(symmetric(matrix))
  const scaled = eigenvectorMatrix.clone().mulRowVector(realEigenvalues.map((value) => Math.sqrt(Math.max(0, value))))
  return scaled.mmul(eigenvectorMatrix.transpose())
}

function eigenvalues(matrix: Matrix): EigenvalueDecomposition {
  return new EigenvalueDecomposition(matrix, { assumeSymmetric: true })
}

/** Rid of what rounding left between a matrix and its transpose. */
function symmetric(matrix: Matrix): Matrix {
  return Matrix.add(matrix, matrix.transpose()).mul(0.5)
}

function checkFeatures({ count, width, values }: Features): void {
  if (!(count >= 2 && width >= 1) || values.length !== count * width)
    throw new ShapeError(`${values.length} feature values for ${count} rows of ${width}`, { expected: 'two rows or more' })
  const bad = values.findIndex((value) => !Number.isFinite(value))
  if (bad >= 0) throw new NonFiniteError(`row ${Math.floor(bad / width)} of the features holds ${values[bad]}`)
}
