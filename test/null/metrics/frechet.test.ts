import { EigenvalueDecomposition, Matrix } from 'ml-matrix'
import { describe, expect, it } from 'vitest'
import { createRng, type Rng } from '../../../src/base/rng.ts'
import { type Features, frechetBetween, frechetDistance, frechetReport, gaussianOf } from '../../../src/metrics/index.ts'

const rng = createRng(5)

/** Independent normals, scaled and shifted per column. */
function normals(stream: Rng, count: number, deviations: readonly number[], means: readonly number[] = []): Features {
  const width = deviations.length
  const values = stream
    .fillNormal(new Float32Array(count * width))
    .map((z, i) => z * deviations[i % width]! + (means[i % width] ?? 0))
  return { count, width, values }
}

/** A random orthogonal matrix: the eigenvectors of a random symmetric one. */
function rotation(width: number): Matrix {
  const random = Matrix.from1DArray(width, width, rng.fold('rotation').fillNormal(new Float32Array(width * width)))
  return new EigenvalueDecomposition(Matrix.add(random, random.transpose()), { assumeSymmetric: true }).eigenvectorMatrix
}

const turned = (features: Features, by: Matrix): Features => ({
  ...features,
  values: Float32Array.from(Matrix.from1DArray(features.count, features.width, features.values).mmul(by).to1DArray()),
})

const diagonal = (variances: readonly number[]) => Matrix.diag([...variances]).to1DArray()

describe('normal distributions', () => {
  it('of independent components are as far apart as their means and deviations: Σ (μ − ν)² + (σ − τ)²', () => {
    const [mean, other] = [
      [1, -2, 0.5],
      [0, 1, 0.5],
    ]
    const distance = frechetBetween(
      { mean: mean!, covariance: diagonal([4, 9, 0]) },
      { mean: other!, covariance: diagonal([1, 0.25, 2.25]) },
    )
    expect(distance).toBeCloseTo(1 + 9 + 0 + (2 - 1) ** 2 + (3 - 0.5) ** 2 + 1.5 ** 2, 12)
  })

  it('of two components follow tr √M = √(tr M + 2·√det M)', () => {
    const [a, b] = [
      [2, 1.2, 1.2, 1],
      [1, -0.4, -0.4, 3],
    ]
    const product = Matrix.from1DArray(2, 2, a!).mmul(Matrix.from1DArray(2, 2, b!))
    const determinant = product.get(0, 0) * product.get(1, 1) - product.get(0, 1) * product.get(1, 0)
    const root = Math.sqrt(product.trace() + 2 * Math.sqrt(determinant))
    expect(frechetBetween({ mean: [0, 0], covariance: a! }, { mean: [0, 0], covariance: b! })).toBeCloseTo(
      2 + 1 + 1 + 3 - 2 * root,
      10,
    )
  })

  it('of different widths are not compared', () => {
    expect(() => frechetBetween({ mean: [0], covariance: [1] }, { mean: [0, 0], covariance: [1, 0, 0, 1] })).toThrow(/one width/)
  })
})

describe('sets of features', () => {
  it('have the mean and the unbiased covariance of their rows', () => {
    const { mean, covariance } = gaussianOf({ count: 3, width: 2, values: Float32Array.of(1, 2, 3, 6, 5, 1) })
    expect(Array.from(mean)).toEqual([3, 3])
    expect(Array.from(covariance)).toEqual([4, -1, -1, 7])
  })

  it('are no distance from themselves, and come closer to their source the larger they are', () => {
    const small = normals(rng.fold('small'), 60, [1, 2, 3, 0.1])
    const large = normals(rng.fold('large'), 6000, [1, 2, 3, 0.1])
    expect(frechetDistance(small, small)).toBeCloseTo(0, 8)
    const source = { mean: [0, 0, 0, 0], covariance: diagonal([1, 4, 9, 0.01]) }
    expect(frechetBetween(gaussianOf(large), source)).toBeLessThan(0.1 * frechetBetween(gaussianOf(small), source))
  })

  it('tell the same distance after a rotation of both, though far from diagonal then', () => {
    const [a, b] = [normals(rng.fold('a'), 500, [1, 2, 3, 4, 0]), normals(rng.fold('b'), 400, [2, 1, 1, 1, 0.5], [1, 2])]
    const by = rotation(5)
    expect(frechetDistance(turned(a, by), turned(b, by))).toBeCloseTo(frechetDistance(a, b), 4)
  })

  it('with a NaN or one row have no distance', () => {
    expect(() => gaussianOf({ count: 2, width: 1, values: Float32Array.of(0, Number.NaN) })).toThrow(/row 1 .*NaN/)
    expect(() => gaussianOf({ count: 1, width: 1, values: Float32Array.of(0) })).toThrow(/two rows/)
  })
})

describe('the floor', () => {
  const real = normals(rng.fold('real'), 2000, [1, 2, 3])

  it('is what more of the same gets, on average', () => {
    const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value) / values.length
    const reports = Array.from({ length: 30 }, (_, i) =>
      frechetReport({ real, generated: normals(rng.fold('more').fold(i), 500, [1, 2, 3]), rng: rng.fold(i) }),
    )
    const ratio = mean(reports.map(({ distance }) => distance)) / mean(reports.map(({ floor }) => floor))
    expect(ratio).toBeGreaterThan(0.7)
    expect(ratio).toBeLessThan(1.4)
  })

  it('stays when the generated features are poor', () => {
    const { distance, floor } = frechetReport({ real, generated: normals(rng.fold('poor'), 500, [1, 2, 3], [3]), rng })
    expect(distance).toBeCloseTo(9, 0)
    expect(floor).toBe(frechetReport({ real, generated: normals(rng, 500, [1, 1, 1]), rng }).floor)
  })

  it('needs real features to spare', () => {
    expect(() => frechetReport({ real, generated: real, rng })).toThrow(/twice as many/)
  })
})
