export interface NelderMeadOptions {
  /** Of the first simplex along each coordinate. */
  readonly steps: readonly number[]
  readonly evaluations: number
  /** Stops where the best and the worst point differ by less. */
  readonly tolerance: number
}

interface Point {
  readonly at: Float64Array
  readonly value: number
}

/**
 * A point where a function is small, by the downhill simplex of Nelder & Mead 1965 with the coefficients of Gao & Han 2012, which suit many coordinates;
 * begun anew from where it ended, as long as that helps. The function may be infinite, but not NaN.
 */
export function nelderMead(of: (at: Float64Array) => number, start: Float64Array, options: NelderMeadOptions): Point {
  let left = options.evaluations
  const counted = (at: Float64Array): Point => {
    left--
    return { at, value: of(at) }
  }
  let best = counted(start)
  for (let scale = 1; left > 0; scale /= 2) {
    const simplex = [best, ...options.steps.map((step, i) => counted(best.at.map((x, j) => (i === j ? x + scale * step : x))))]
    while (left > 0 && !descend(simplex, counted, options.tolerance));
    const found = simplex[0]!
    const gained = best.value - found.value
    best = found
    if (!(gained > options.tolerance)) break
  }
  return best
}

/** Replaces the worst point, or moves all towards the best one; returns whether they are as good as one. Leaves them sorted before it. */
function descend(simplex: Point[], counted: (at: Float64Array) => Point, tolerance: number): boolean {
  simplex.sort((a, b) => a.value - b.value)
  const size = simplex.length - 1
  const [best, second, worst] = [simplex[0]!, simplex[size - 1]!, simplex[size]!]
  if (worst.value - best.value <= tolerance) return true
  const centre = centreOf(simplex, size)
  // Along the line through the centre; the worst point is at −1.
  const along = (by: number) => counted(centre.map((x, i) => x + by * (x - worst.at[i]!)))
  const reflected = along(1)
  let next: Point
  if (reflected.value < best.value) next = lesser(along(1 + 2 / size), reflected)
  else if (reflected.value < second.value) next = reflected
  else next = lesser(along((reflected.value < worst.value ? 1 : -1) * (0.75 - 0.5 / size)), lesser(reflected, worst))
  if (next !== worst) simplex[size] = next
  else shrink(simplex, counted, Math.max(0.5, 1 - 1 / size))
  if (next.value < best.value) [simplex[0], simplex[size]] = [next, best]
  return false
}

function lesser(a: Point, b: Point): Point {
  return a.value < b.value ? a : b
}

/** Of all but the last. */
function centreOf(simplex: readonly Point[], size: number): Float64Array {
  const centre = new Float64Array(simplex[0]!.at.length)
  for (let point = 0; point < size; point++) for (let i = 0; i < centre.length; i++) centre[i]! += simplex[point]!.at[i]! / size
  return centre
}

function shrink(simplex: Point[], counted: (at: Float64Array) => Point, by: number): void {
  const best = simplex[0]!
  for (let point = 1; point < simplex.length; point++)
    simplex[point] = counted(best.at.map((x, i) => x + by * (simplex[point]!.at[i]! - x)))
}
