/** Simple exponential smoothing of a series. */
export interface SimpleSmoothing {
  /** How much of each error the level takes up. */
  readonly weight: number
  /** After the last value: what it forecasts for all that comes. */
  readonly level: number
  /** Of errors one step ahead. */
  readonly squares: number
}

const [leastWeight, mostWeight] = [1e-4, 0.9999]

/**
 * The weight from 0.0001 to 0.9999 and the first level with the least squared errors one step ahead. The first level is solved for each weight, for errors
 * are linear in it; the weight is looked for on a grid, for there may be several minima, and then by golden section.
 */
export function simpleSmoothing(values: Float64Array): SimpleSmoothing {
  const squaresAt = (weight: number) => smoothedWith(values, weight).squares
  const grid = Array.from({ length: 33 }, (_, i) => leastWeight + ((mostWeight - leastWeight) * i) / 32)
  const squares = grid.map(squaresAt)
  const best = squares.indexOf(Math.min(...squares))
  const within = goldenSection(squaresAt, grid[Math.max(0, best - 1)]!, grid[Math.min(32, best + 1)]!)
  // The least may lie on the edge, which a section never meets.
  const weight = [grid[best]!, within].reduce((a, b) => (squaresAt(b) < squaresAt(a) ? b : a))
  return smoothedWith(values, weight)
}

/** The best first level for a weight: errors are `apart[t] − (1 − weight)^t · first`, where `apart` takes the first value for the first level. */
export function smoothedWith(values: Float64Array, weight: number): SimpleSmoothing {
  let [level, remains] = [values[0]!, 1]
  let [products, norms, squares] = [0, 0, 0]
  for (const value of values) {
    const apart = value - level
    products += apart * remains
    norms += remains ** 2
    squares += apart ** 2
    level += weight * apart
    remains *= 1 - weight
  }
  const first = products / norms
  return { weight, level: level + remains * first, squares: Math.max(0, squares - (products * products) / norms) }
}

/** Where a function with one minimum between two points has it. */
function goldenSection(of: (x: number) => number, from: number, to: number): number {
  const ratio = (Math.sqrt(5) - 1) / 2
  let [low, high] = [from, to]
  let [left, right] = [high - ratio * (high - low), low + ratio * (high - low)]
  let [atLeft, atRight] = [of(left), of(right)]
  while (high - low > 1e-8) {
    if (atLeft <= atRight) {
      ;[high, right, atRight] = [right, left, atLeft]
      left = high - ratio * (high - low)
      atLeft = of(left)
    } else {
      ;[low, left, atLeft] = [left, right, atRight]
      right = low + ratio * (high - low)
      atRight = of(right)
    }
  }
  return (low + high) / 2
}
