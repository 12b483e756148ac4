import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { arms, horizons } from './arms.ts'
import { type EttOutcome, ettOutcomes } from './ett.ts'

// tsx --tsconfig tsconfig.run.json bench/series/run-arm.ts <arm> <seed> [horizon…]: fits and tests one arm, unless runs/series has it. The benchmark
// finds it there.

/** By horizon. */
export type ArmOutcome = Readonly<Record<number, EttOutcome>>

/** What was found for an arm, from runs/series or anew. */
export async function armOutcome(name: string, seed: number, wanted: readonly number[] = horizons): Promise<ArmOutcome> {
  const file = `runs/series/${name}-${seed}.json`
  const known: Record<number, EttOutcome> = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : {}
  const missing = wanted.filter((horizon) => known[horizon] === undefined)
  if (missing.length === 0) return known
  mkdirSync('runs/series', { recursive: true })
  const all = { ...known, ...(await ettOutcomes(arms[name]!, missing, seed)) }
  writeFileSync(file, `${JSON.stringify(all, null, 1)}\n`)
  return all
}

const [script, name = '', seed = '', ...given] = process.argv.slice(1)
if (script?.endsWith('run-arm.ts')) {
  if (!Object.hasOwn(arms, name) || !/^\d+$/.test(seed)) {
    console.error(`usage: run-arm <${Object.keys(arms).join('|')}> <seed> [horizon…]`)
    process.exit(2)
  }
  console.log(
    JSON.stringify({ name, seed, ...(await armOutcome(name, Number(seed), given.length > 0 ? given.map(Number) : horizons)) }),
  )
}
