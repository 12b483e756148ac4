/** How many times as many cases as usual; above 1, others than usual too. */
const factor = Number(process.env.NEXTX_FUZZ ?? 1)
if (!(factor >= 1))
  throw new Error(`NEXTX_FUZZ is '${process.env.NEXTX_FUZZ}'; expected a number of at least 1: how many times as many cases to try`)

/** What fast-check needs to know: `numRuns` cases from `seed`, or with NEXTX_FUZZ=10 ten times as many from a seed that it prints. */
export function budget(numRuns: number, seed: number): { numRuns: number; seed: number } {
  return { numRuns: Math.ceil(numRuns * factor), seed: factor > 1 ? (Date.now() ^ seed) & 0x7fffffff : seed }
}

/** A time limit for a test of such cases, in milliseconds. */
export const patience = 60_000 * Math.max(1, factor)
