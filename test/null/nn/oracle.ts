import { elementCount } from '../../../src/base/dtype.ts'
import { type Module, namedVariables, nameVariables } from '../../../src/nn/index.ts'
import { constant, type Tensor, type Variable } from '../../../src/tensor/index.ts'
import type { ReferenceValue } from '../../../src/tensor/tensor.ts'
import { noise } from '../tensor/finite-differences.ts'

/** Slow, obvious network parts in doubles, written from their formulas: rows are plain arrays. */
export type Row = readonly number[]
export type Rows = readonly Row[]

export type Sees = (query: number, key: number) => boolean

export interface Scoring {
  readonly scale: number
  /** Scores become cap·tanh(score / cap). */
  readonly cap?: number
  /** A logit beside the keys', whose share is lost. */
  readonly sink?: number
}

/** softmax(q·kᵀ·scale)·v of one head, over the keys that are seen; rows that see nothing are undefined. */
export function attendOneHead(query: Rows, key: Rows, value: Rows, sees: Sees, scoring: Scoring): (Row | undefined)[] {
  const { scale, cap, sink } = scoring
  return query.map((q, at) => {
    const seen = [...key.keys()].filter((k) => sees(at, k))
    if (seen.length === 0) return undefined
    const raw = seen.map((k) => scale * dot(q, key[k]!))
    const scores = cap === undefined ? raw : raw.map((score) => cap * Math.tanh(score / cap))
    const top = Math.max(...scores)
    const weights = scores.map((score) => Math.exp(score - top))
    const total = weights.reduce((sum, weight) => sum + weight, 0) + (sink === undefined ? 0 : Math.exp(sink - top))
    return value[0]!.map((_, channel) => seen.reduce((sum, k, i) => sum + (weights[i]! / total) * value[k]![channel]!, 0))
  })
}

export function dot(a: Row, b: Row): number {
  return a.reduce((sum, x, i) => sum + x * b[i]!, 0)
}

/** x·Wᵀ of rows. */
export function project(x: Rows, weight: Rows): Rows {
  return x.map((row) => weight.map((output) => dot(row, output)))
}

export function addRows(a: Rows, b: Rows): Rows {
  return a.map((row, i) => row.map((x, j) => x + b[i]![j]!))
}

/** The pair (i, i + half) as a complex number, times e^(i·position·base^(−i/half)). */
export function rotateRow(row: Row, position: number, base: number): Row {
  const half = row.length / 2
  return turnRow(
    row,
    position,
    Array.from({ length: half }, (_, i) => base ** (-i / half)),
  )
}

/** The pair (i, i + half) of the first channels as a complex number, times amplitude·e^(i·position·frequency). */
export function turnRow(row: Row, position: number, frequencies: Row, amplitude = 1): Row {
  const half = frequencies.length
  const turned = [...row]
  for (let i = 0; i < half; i++) {
    const angle = position * frequencies[i]!
    const [real, imaginary] = [amplitude * Math.cos(angle), amplitude * Math.sin(angle)]
    turned[i] = row[i]! * real - row[i + half]! * imaginary
    turned[i + half] = row[i]! * imaginary + row[i + half]! * real
  }
  return turned
}

export function rmsNormRow(row: Row, weight: Row, epsilon: number): Row {
  const scale = 1 / Math.sqrt(row.reduce((sum, x) => sum + x * x, 0) / row.length + epsilon)
  return row.map((x, i) => x * scale * weight[i]!)
}

/** Ba et al. 2016. */
export function layerNormRow(row: Row, weight: Row, bias: Row, epsilon: number): Row {
  const mean = row.reduce((sum, value) => sum + value, 0) / row.length
  const variance = row.reduce((sum, value) => sum + (value - mean) ** 2, 0) / row.length
  return row.map((value, i) => ((value - mean) / Math.sqrt(variance + epsilon)) * weight[i]! + bias[i]!)
}

export const geluTanhOf = (x: number) => (x / 2) * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)))

export const siluOf = (x: number) => x / (1 + Math.exp(-x))

/** The error function by its Maclaurin series, for |x| < 4. */
export function erfOf(x: number): number {
  let [term, sum] = [x, x]
  for (let n = 1; n < 100; n++) {
    term *= (-x * x) / n
    sum += term / (2 * n + 1)
  }
  return (2 / Math.sqrt(Math.PI)) * sum
}

/** Random values for every variable of a module, by variable and by name; norms' scales lie around 1. */
export function randomVariables(module: Module) {
  nameVariables(module)
  const variables = new Map<Variable, ReferenceValue>()
  const byName = new Map<string, ReferenceValue>()
  for (const [name, variable] of namedVariables(module)) {
    const { shape, data } = noise(name, variable.concreteShape)
    const value = { shape, data: data.map((x) => Math.fround((/norm.*weight$/.test(name) ? 1 : 0) + 0.4 * x)) }
    variables.set(variable, value)
    byName.set(name, value)
  }
  return { variables, byName }
}

/** A matrix, or the matrix at an index of the leading axes, as rows. */
export function rowsOf({ shape, data }: ReferenceValue, ...leading: number[]): Rows {
  const [rows, columns] = [shape.at(-2)!, shape.at(-1)!]
  const start = leading.reduce((sum, at, axis) => sum + at * elementCount(shape.slice(axis + 1)), 0)
  return Array.from({ length: rows }, (_, row) => Array.from(data.subarray(start + row * columns, start + (row + 1) * columns)))
}

/** A float64 constant. */
export function fixed({ shape, data }: ReferenceValue): Tensor {
  return constant(data, shape, 'float64')
}
