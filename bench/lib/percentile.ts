import { quantileSorted } from 'simple-statistics'

/** The value below which a share of the list lies. */
export function percentile(values: readonly number[], share: number): number {
  return quantileSorted(
    values.toSorted((a, b) => a - b),
    share,
  )
}
