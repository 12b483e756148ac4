import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { cpus, loadavg } from 'node:os'
import type { Summary } from './statistics.ts'

export interface Metric extends Summary {
  readonly unit: string
}

/** What a card or an issue asks for, and what was found. A hard gate must hold; others are aims. */
export interface Gate {
  readonly name: string
  readonly want: string
  readonly got: string
  readonly pass: boolean
  readonly hard: boolean
}

/** What a benchmark found; `run.ts` adds where and when. */
export interface Findings {
  readonly arms: Readonly<Record<string, Readonly<Record<string, Metric>>>>
  readonly ratios: Readonly<Record<string, Summary>>
  readonly gates: readonly Gate[]
  readonly notes: readonly string[]
  readonly seeds: readonly number[]
  readonly versions: Readonly<Record<string, string>>
}

export interface BenchContext {
  /** Less data and fewer repetitions: under a minute. */
  readonly quick: boolean
}

export interface Bench {
  /** What it shows, in one line of FEATURES.md. */
  readonly title: string
  /** Cards or systems that it speaks of. */
  readonly cards: readonly string[]
  run(context: BenchContext): Promise<Findings>
}

/** 1-minute load average at a moment: above the number of busy threads means somebody else is running. */
export function machineLoad(): number {
  return loadavg()[0]!
}

export function writeResult(id: string, bench: Bench, findings: Findings, loadBefore: number, quick: boolean): string {
  const file = new URL(`../results/${id}${quick ? '.quick' : ''}.json`, import.meta.url)
  const machine = { cpu: cpus()[0]!.model, threads: cpus().length, load: { before: loadBefore, after: machineLoad() } }
  const command = `npm run bench -- ${id}${quick ? ' --quick' : ''}`
  const { versions, ...rest } = findings
  const header = { id, title: bench.title, cards: bench.cards, command, date: new Date().toISOString(), commit: commit(), machine }
  const result = { ...header, versions: { node: process.version, nextx: packageVersion(), ...versions }, ...rest }
  mkdirSync(new URL('.', file), { recursive: true })
  writeFileSync(file, `${JSON.stringify(result, null, 2)}\n`)
  return file.pathname
}

/** The commit that was measured; `+` when files differ from it. */
function commit(): string {
  const git = (...command: string[]) => execFileSync('git', command, { encoding: 'utf8' }).trim()
  return (
    git('rev-parse', '--short=12', 'HEAD') +
    (git('status', '--porcelain', '--', 'src', 'bench', ':!bench/results') === '' ? '' : '+')
  )
}

function packageVersion(): string {
  return (JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string }).version
}
