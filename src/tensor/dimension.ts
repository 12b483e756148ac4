import { ShapeError } from '../base/errors.ts'

/**
 * The size of one axis: a number, or a polynomial with integer coefficients over named sizes that are known when a program runs,
 * such as `B*T` or `past+T`.
 */
export type Dimension = number | SymbolicDimension
export type Shape = readonly Dimension[]

/** Sizes of the named dimensions of one run. */
export type Bindings = ReadonlyMap<string, number>

/** An immutable polynomial; `terms` maps a product of symbols (`'B*T'`, `''` for the constant) to its coefficient. */
export class SymbolicDimension {
  readonly terms: ReadonlyMap<string, number>

  constructor(terms: ReadonlyMap<string, number>) {
    this.terms = terms
  }

  toString(): string {
    return [...this.terms]
      .map(([symbols, factor]) => formatTerm(symbols, factor))
      .join('+')
      .replaceAll('+-', '-')
  }
}

/** The dimension named `name`, bound when a program runs. */
export function symbol(name: string): SymbolicDimension {
  if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) {
    throw new ShapeError(`dimension name ${JSON.stringify(name)} is not an identifier`, { expected: 'letters, digits and _' })
  }
  return new SymbolicDimension(new Map([[name, 1]]))
}

export function toDimension(value: number | string | SymbolicDimension): Dimension {
  if (typeof value === 'string') return symbol(value)
  if (typeof value === 'number' && (!Number.isSafeInteger(value) || value < 0)) {
    throw new ShapeError(`${value} is not a dimension`, { expected: 'an integer ≥ 0' })
  }
  return value
}

export function addDimensions(a: Dimension, b: Dimension): Dimension {
  if (typeof a === 'number' && typeof b === 'number') return a + b
  const sum = new Map(termsOf(a))
  for (const [symbols, factor] of termsOf(b)) sum.set(symbols, (sum.get(symbols) ?? 0) + factor)
  return normalise(sum)
}

export function subtractDimensions(a: Dimension, b: Dimension): Dimension {
  return addDimensions(a, multiplyDimensions(b, -1))
}

export function multiplyDimensions(a: Dimension, b: Dimension): Dimension {
  if (typeof a === 'number' && typeof b === 'number') return a * b
  const product = new Map<string, number>()
  for (const [left, leftFactor] of termsOf(a)) {
    for (const [right, rightFactor] of termsOf(b)) {
      const symbols = joinSymbols(left, right)
      product.set(symbols, (product.get(symbols) ?? 0) + leftFactor * rightFactor)
    }
  }
  return normalise(product)
}

/** `a / b` when every term divides exactly, otherwise undefined. */
export function divideDimensions(a: Dimension, b: Dimension): Dimension | undefined {
  if (b === 0) return undefined
  if (a === 0) return 0
  if (sameDimension(a, b)) return 1
  const divisor = [...termsOf(b)]
  if (divisor.length !== 1) return undefined
  const [symbols, factor] = divisor[0]!
  const quotient = new Map<string, number>()
  for (const [numerator, numeratorFactor] of termsOf(a)) {
    const rest = removeSymbols(numerator, symbols)
    if (rest === undefined || numeratorFactor % factor !== 0) return undefined
    quotient.set(rest, numeratorFactor / factor)
  }
  return normalise(quotient)
}

export function sameDimension(a: Dimension, b: Dimension): boolean {
  return a === b || (typeof a !== 'number' && typeof b !== 'number' && a.toString() === b.toString())
}

export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((dimension, axis) => sameDimension(dimension, b[axis]!))
}

/** Number of elements; 1 for a scalar. */
export function shapeSize(shape: Shape): Dimension {
  return shape.reduce(multiplyDimensions, 1 as Dimension)
}

export function formatShape(shape: Shape): string {
  return `[${shape.join(', ')}]`
}

/** The names that a dimension depends on. */
export function symbolsOf(dimension: Dimension): string[] {
  if (typeof dimension === 'number') return []
  return [...new Set([...dimension.terms.keys()].flatMap(splitSymbols))]
}

/** The value of a dimension once its names are bound. */
export function evaluateDimension(dimension: Dimension, bindings: Bindings): number {
  if (typeof dimension === 'number') return dimension
  let sum = 0
  for (const [symbols, factor] of dimension.terms) {
    sum += splitSymbols(symbols).reduce((product, name) => product * boundValue(name, bindings), factor)
  }
  return sum
}

export function evaluateShape(shape: Shape, bindings: Bindings): number[] {
  return shape.map((dimension) => evaluateDimension(dimension, bindings))
}

function boundValue(name: string, bindings: Bindings): number {
  const value = bindings.get(name)
  if (value === undefined)
    throw new ShapeError(`dimension ${name} has no value`, { fix: `give an input with an axis named ${name}` })
  return value
}

function termsOf(dimension: Dimension): Iterable<[string, number]> {
  return typeof dimension === 'number' ? [['', dimension]] : dimension.terms
}

function normalise(terms: Map<string, number>): Dimension {
  const kept = [...terms].filter(([, factor]) => factor !== 0).sort(([a], [b]) => (a < b ? 1 : -1))
  if (kept.length === 0) return 0
  if (kept.length === 1 && kept[0]![0] === '') return kept[0]![1]
  return new SymbolicDimension(new Map(kept))
}

function splitSymbols(symbols: string): string[] {
  return symbols === '' ? [] : symbols.split('*')
}

function joinSymbols(a: string, b: string): string {
  return [...splitSymbols(a), ...splitSymbols(b)].sort().join('*')
}

function removeSymbols(from: string, symbols: string): string | undefined {
  const rest = splitSymbols(from)
  for (const name of splitSymbols(symbols)) {
    const at = rest.indexOf(name)
    if (at < 0) return undefined
    rest.splice(at, 1)
  }
  return rest.join('*')
}

function formatTerm(symbols: string, factor: number): string {
  if (symbols === '') return String(factor)
  if (factor === -1) return `-${symbols}`
  return factor === 1 ? symbols : `${factor}*${symbols}`
}
