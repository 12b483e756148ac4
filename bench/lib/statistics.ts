import { max, median, min } from 'simple-statistics'

export interface Summary {
  readonly median: number
  readonly min: number
  readonly max: number
}

export function summarise(values: readonly number[]): Summary {
  const list = [...values]
  return { median: median(list), min: min(list), max: max(list) }
}

/** Ratios of values measured side by side: a[i] / b[i]. */
export function pairedRatios(a: readonly number[], b: readonly number[]): Summary {
  return summarise(a.map((value, i) => value / b[i]!))
}
