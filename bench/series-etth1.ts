import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { gate } from './lib/gate.ts'
import type { Bench, Findings, Gate, Metric } from './lib/result.ts'
import { summarise } from './lib/statistics.ts'
import { type Arm, arms, horizons } from './series/arms.ts'
import type { EttOutcome } from './series/ett.ts'
import { type ArmOutcome, armOutcome } from './series/run-arm.ts'

const script = fileURLToPath(new URL('./series/run-arm.ts', import.meta.url))

/** Seeds of an arm at a horizon; what learns in steps has three at 96, and at the others where machine time allowed it. */
const seedsOf = (name: string) => (arms[name]!.stops ? [1, 2, 3] : [0])

export const bench: Bench = {
  title: 'ETTh1 at 96, 192, 336 and 720 steps: eight published forecasters beside a linear map and naive methods',
  cards: ['31', '45', '48', '78', '83', '85', '101', '105'],
  async run({ quick }): Promise<Findings> {
    const wanted = quick ? [96] : horizons
    const names = quick ? ['seasonal-naive', 'ridge-96', 'arnet'] : Object.keys(arms)
    const found = new Map<string, readonly ArmOutcome[]>()
    for (const name of names) found.set(name, await outcomesOf(name, quick ? seedsOf(name).slice(0, 1) : seedsOf(name), wanted))
    const at = (name: string, horizon: number) => (found.get(name) ?? []).flatMap((outcome) => outcome[horizon] ?? [])
    return {
      arms: Object.fromEntries(
        names.flatMap((name) =>
          wanted.flatMap((horizon) =>
            at(name, horizon).length === 0 ? [] : [[`${name} ${horizon}`, metricsOf(at(name, horizon))]],
          ),
        ),
      ),
      ratios: {},
      gates: names.flatMap((name) => gatesOf(name, arms[name]!, (other) => medianOf(at(other, 96), 'mse'), at(name, 96))),
      notes,
      seeds: [1, 2, 3],
      versions: {},
    }
  },
}

/** Each seed in a process of its own, unless it is there already. NEXTX_BENCH_RUN=never: only what runs/ holds is put together. */
async function outcomesOf(name: string, seeds: readonly number[], wanted: readonly number[]): Promise<ArmOutcome[]> {
  const all: ArmOutcome[] = []
  for (const seed of seeds) {
    if (process.env.NEXTX_BENCH_RUN !== 'never')
      execFileSync(process.execPath, [...process.execArgv, script, name, String(seed), ...wanted.map(String)], {
        stdio: ['ignore', 'ignore', 'inherit'],
      })
    all.push(await armOutcome(name, seed, process.env.NEXTX_BENCH_RUN === 'never' ? [] : wanted))
  }
  return all
}

function metricsOf(outcomes: readonly EttOutcome[]): Record<string, Metric> {
  const metric = (pick: (outcome: EttOutcome) => number, unit: string) => ({ ...summarise(outcomes.map(pick)), unit })
  return {
    MSE: metric(({ mse }) => mse, ''),
    MAE: metric(({ mae }) => mae, ''),
    'fit time': metric(({ fitSeconds }) => fitSeconds, 's'),
    updates: metric(({ steps }) => steps, ''),
    seeds: metric(() => outcomes.length, ''),
    'load before': metric(({ load }) => load, ''),
  }
}

function medianOf(outcomes: readonly EttOutcome[], key: 'mse' | 'mae' | 'fitSeconds'): number {
  return summarise(outcomes.map((outcome) => outcome[key])).median
}

function gatesOf(name: string, arm: Arm, mse: (other: string) => number, at96: readonly EttOutcome[]): Gate[] {
  if (!arm.stops || at96.length === 0) return []
  const own = medianOf(at96, 'mse')
  const linear = arm.columns === 'OT' || name === 'gpht' ? (name === 'gpht' ? 'ridge-336' : 'ridge-336-OT') : 'ridge-96'
  const published = arm.published?.[0]?.[0]
  return [
    ...(arm.tolerance !== undefined && published !== undefined
      ? [gate(`${name}: MSE at 96 / published ${published}`, own / published, `≤ ${1 + arm.tolerance}`)]
      : []),
    ...(arm.linearTolerance !== undefined
      ? [gate(`${name}: MSE at 96 / ${linear}'s`, own / mse(linear), `≤ ${1 + arm.linearTolerance}`)]
      : []),
    gate(`${name}: minutes to fit at 96`, medianOf(at96, 'fitSeconds') / 60, '≤ 10'),
  ]
}

const notes = [
  'Protocol of Zhou et al. 2021: 12, 4 and 4 months of 30 days, scaled by the first 12; errors on this scale, mean over every window of the last 4 months, all steps and columns (OT alone for arnet, spacetime and ridge-336-OT)',
  'The 4 months of validation choose the epoch and nothing else; baselines leave them out. Widths are 64 and 128 where papers have 256 and 512, for 2 cores',
  'gpht and the naive methods say all horizons from one fit; the others are fitted once for each',
  'Fit times come from a machine that did other work at the same time (load before each fit is in the table): upper bounds',
]
