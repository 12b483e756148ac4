/**
 * Update rules in plain TypeScript and double precision, written from the papers' algorithms: one object per parameter, no graph.
 */

/** A parameter of the reference: values in place, `[rows, columns]` for matrices. */
export interface ReferenceParameter {
  readonly values: Float64Array
  readonly shape: readonly number[]
  readonly decays: boolean
}

export type ReferenceRule = (parameter: ReferenceParameter) => (gradient: Float64Array, rate: number) => void

/** Loshchilov & Hutter 2019, algorithm 2, with the step counter and the bias-corrected moments spelled out. */
export function referenceAdamw(beta1: number, beta2: number, epsilon: number, weightDecay: number): ReferenceRule {
  return ({ values, decays }) => {
    const m = new Float64Array(values.length)
    const v = new Float64Array(values.length)
    let t = 0
    return (gradient, rate) => {
      t++
      for (let i = 0; i < values.length; i++) {
        m[i] = beta1 * m[i]! + (1 - beta1) * gradient[i]!
        v[i] = beta2 * v[i]! + (1 - beta2) * gradient[i]! ** 2
        const corrected = m[i]! / (1 - beta1 ** t) / (Math.sqrt(v[i]! / (1 - beta2 ** t)) + epsilon)
        values[i]! -= rate * (corrected + (decays ? weightDecay : 0) * values[i]!)
      }
    }
  }
}

/** Chen et al. 2023, algorithm 2. */
export function referenceLion(beta1: number, beta2: number, weightDecay: number): ReferenceRule {
  return ({ values, decays }) => {
    const m = new Float64Array(values.length)
    return (gradient, rate) => {
      for (let i = 0; i < values.length; i++) {
        const direction = Math.sign(beta1 * m[i]! + (1 - beta1) * gradient[i]!)
        values[i]! -= rate * (direction + (decays ? weightDecay : 0) * values[i]!)
        m[i] = beta2 * m[i]! + (1 - beta2) * gradient[i]!
      }
    }
  }
}

/** Jordan et al. 2024 with the scale of Liu et al. 2025; matrices only. */
export function referenceMuon(momentum: number, iterations: number, weightDecay: number): ReferenceRule {
  return ({ values, shape }) => {
    const [rows, columns] = shape as [number, number]
    const m = new Float64Array(values.length)
    return (gradient, rate) => {
      for (let i = 0; i < m.length; i++) m[i] = momentum * m[i]! + (1 - momentum) * gradient[i]!
      const ahead = m.map((mean, i) => momentum * mean + (1 - momentum) * gradient[i]!)
      const change = newtonSchulz(ahead, rows, columns, iterations)
      const length = 0.2 * Math.sqrt(Math.max(rows, columns))
      for (let i = 0; i < values.length; i++) values[i]! -= rate * (length * change[i]! + weightDecay * values[i]!)
    }
  }
}

function newtonSchulz(matrix: Float64Array, rows: number, columns: number, iterations: number): Float64Array {
  if (rows > columns) return transposed(newtonSchulz(transposed(matrix, rows, columns), columns, rows, iterations), columns, rows)
  const norm = Math.sqrt(matrix.reduce((total, x) => total + x * x, 0)) + 1e-7
  let x = matrix.map((value) => value / norm)
  for (let i = 0; i < iterations; i++) {
    const a = product(x, transposed(x, rows, columns), rows, columns, rows)
    const aa = product(a, a, rows, rows, rows)
    const b = a.map((value, j) => -4.775 * value + 2.0315 * aa[j]!)
    const bx = product(b, x, rows, rows, columns)
    x = x.map((value, j) => 3.4445 * value + bx[j]!)
  }
  return x
}

export function product(a: Float64Array, b: Float64Array, rows: number, inner: number, columns: number): Float64Array {
  const result = new Float64Array(rows * columns)
  for (let i = 0; i < rows; i++)
    for (let j = 0; j < columns; j++)
      for (let k = 0; k < inner; k++) result[i * columns + j]! += a[i * inner + k]! * b[k * columns + j]!
  return result
}

export function transposed(matrix: Float64Array, rows: number, columns: number): Float64Array {
  return Float64Array.from(matrix, (_, i) => matrix[(i % rows) * columns + Math.floor(i / rows)]!)
}
