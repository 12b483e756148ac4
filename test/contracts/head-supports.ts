import { type FeedValue, float32, type InputSpec, int32 } from '../../src/tensor/index.ts'

/** All values that a head can predict: every one of them, or points that stand for a volume of them; and cells to count samples in. */
export interface Support {
  readonly points: readonly number[][]
  readonly volumes: readonly number[]
  readonly cells: number
  cellOf(value: readonly number[]): number
  /** How near to 1 the sum over points comes. */
  readonly tolerance: number
  /** Some ordinary value. */
  sample(row: number): number[]
  /** Values `[count, component]`. */
  spec(count: number | string): InputSpec
  feed(values: readonly (readonly number[])[]): FeedValue
}

/** Ids of one or several vocabularies. */
export function idSupport(vocabularies: readonly number[]): Support {
  const points = combinations(vocabularies.map((size) => Array.from({ length: size }, (_, id) => id)))
  return {
    points,
    volumes: points.map(() => 1),
    cells: points.length,
    cellOf: (ids) => ids.reduce((cell, id, code) => cell * vocabularies[code]! + id, 0),
    tolerance: 1e-6,
    sample: (row) => vocabularies.map((size, code) => (row * 2 + code) % size),
    spec: (count) => int32(count, vocabularies.length),
    feed: (values) => ({ dtype: 'int32', shape: [values.length, vocabularies.length], data: Int32Array.from(values.flat()) }),
  }
}

/** Numbers from −1 to 1 in equal steps. */
export function levelSupport(levels: number, dimension: number): Support {
  const axis = Array.from({ length: levels }, (_, i) => (2 * i) / (levels - 1) - 1)
  const points = combinations(new Array<number[]>(dimension).fill(axis))
  const indexOf = (x: number) => Math.round(((x + 1) * (levels - 1)) / 2)
  return {
    ...vectors(dimension),
    points,
    volumes: points.map(() => 1),
    cells: points.length,
    cellOf: (value) => value.reduce((cell, x) => cell * levels + indexOf(x), 0),
    tolerance: 1e-5,
    sample: (row) => Array.from({ length: dimension }, (_, i) => axis[(3 * row + i) % levels]!),
  }
}

/**
 * Real numbers, as midpoints of a grid that is finest at 0: x = sinh u, so that dx = cosh u du. Cells are `perCell` steps of u a side, and the
 * outermost reach to infinity.
 */
export function realSupport(dimension: number, { steps, perCell }: { readonly steps: number; readonly perCell: number }): Support {
  const reach = 5
  const step = (2 * reach) / steps
  const axis = Array.from({ length: steps }, (_, i) => -reach + (i + 0.5) * step)
  const side = steps / perCell
  const indexOf = (x: number) => Math.min(side - 1, Math.max(0, Math.floor((Math.asinh(x) + reach) / step / perCell)))
  const grid = combinations(new Array<number[]>(dimension).fill(axis))
  return {
    ...vectors(dimension),
    points: grid.map((point) => point.map(Math.sinh)),
    volumes: grid.map((point) => point.reduce((volume, u) => volume * Math.cosh(u) * step, 1)),
    cells: side ** dimension,
    cellOf: (value) => value.reduce((cell, x) => cell * side + indexOf(x), 0),
    tolerance: 1e-3,
    sample: (row) => Array.from({ length: dimension }, (_, i) => (row - i) / 2),
  }
}

function vectors(dimension: number): Pick<Support, 'spec' | 'feed'> {
  return {
    spec: (count) => float32(count, dimension),
    feed: (values) => ({ dtype: 'float32', shape: [values.length, dimension], data: Float32Array.from(values.flat()) }),
  }
}

function combinations(axes: readonly (readonly number[])[]): number[][] {
  return axes.reduce<number[][]>((points, axis) => points.flatMap((point) => axis.map((x) => [...point, x])), [[]])
}
