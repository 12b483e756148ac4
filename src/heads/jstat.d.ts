/** The part of jstat that forecasts use; the package has no types of its own. */
declare module 'jstat' {
  interface Statistics {
    readonly normal: { inv(share: number, mean: number, deviation: number): number }
    readonly beta: { inv(share: number, a: number, b: number): number }
    readonly studentt: { inv(share: number, freedom: number): number }
    /** The regularised incomplete beta function. */
    ibeta(x: number, a: number, b: number): number
  }
  const jstat: Statistics
  export = jstat
}
