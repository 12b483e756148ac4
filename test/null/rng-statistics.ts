/** Pearson's statistic of counts against expected counts. */
export function chiSquare(observed: ArrayLike<number>, expected: ArrayLike<number>): number {
  let sum = 0
  for (let i = 0; i < expected.length; i++) sum += (observed[i]! - expected[i]!) ** 2 / expected[i]!
  return sum
}

/** The value that chi-square exceeds with probability 0.001 (Wilson–Hilferty; a little too large below three degrees of freedom). */
export function chiSquareLimit(degrees: number): number {
  const variance = 2 / (9 * degrees)
  return degrees * (1 - variance + 3.0902 * Math.sqrt(variance)) ** 3
}

export function correlation(a: ArrayLike<number>, b: ArrayLike<number>): number {
  const [meanA, meanB] = [mean(a), mean(b)]
  let [product, squareA, squareB] = [0, 0, 0]
  for (let i = 0; i < a.length; i++) {
    product += (a[i]! - meanA) * (b[i]! - meanB)
    squareA += (a[i]! - meanA) ** 2
    squareB += (b[i]! - meanB) ** 2
  }
  return product / Math.sqrt(squareA * squareB)
}

export function mean(values: ArrayLike<number>): number {
  return Array.from(values).reduce((sum, value) => sum + value, 0) / values.length
}

/** How often each of 0 … bins − 1 occurs. */
export function histogram(values: Iterable<number>, bins: number): number[] {
  const counts = new Array<number>(bins).fill(0)
  for (const value of values) counts[value]!++
  return counts
}
