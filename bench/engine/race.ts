import { machineLoad } from '../lib/result.ts'
import type { DecodeRun, DecodeTimes } from './arm.ts'
import type { EngineName } from './arms.ts'
import { type IsolatedEngine, openIsolated, type ProcessMemory } from './isolated.ts'
import { type Match, matchName, specOf } from './matches.ts'
import type { Duration } from './stopwatch.ts'

/** Something that both engines are timed at. */
export interface Trial {
  readonly name: string
  readonly run: DecodeRun
  /** Tokens that count, and the time they took. */
  count(times: DecodeTimes): { readonly tokens: number; readonly time: Duration }
}

/** Single tokens after a prompt, for so many sequences at once. */
export function decodeTrial(rows: number, prompt: number, steps: number): Trial {
  return {
    name: rows === 1 ? 'decode' : `batch ${rows}`,
    run: { rows, prompt, steps },
    count: (times) => ({ tokens: rows * steps, time: times.steps }),
  }
}

/** A prompt in one go. */
export function prefillTrial(prompt: number): Trial {
  return {
    name: `prefill ${prompt}`,
    run: { rows: 1, prompt, steps: 0 },
    count: (times) => ({ tokens: prompt, time: times.prompt }),
  }
}

export interface EngineRecord {
  readonly description: string
  /** ms from asking for the model until it answers. */
  readonly loading: number
  readonly memory: ProcessMemory
  /** Tokens per second by trial, one a round. */
  readonly rates: ReadonlyMap<string, number[]>
  /** Tokens per second of processor time, by trial. */
  readonly processorRates: ReadonlyMap<string, number[]>
  /** Sequences that shared a call, by trial, at least. */
  readonly together: ReadonlyMap<string, number>
}

export interface MatchRecord {
  readonly match: Match
  readonly engines: Readonly<Record<EngineName, EngineRecord>>
  /** Share of steps at which both engines found the same likeliest id. */
  readonly agreement: number
}

const names = ['nextx', 'llama.cpp'] as const

/** Both engines in processes of their own, taking turns: a warm-up, then rounds of all trials, the first to run alternating. */
export async function race(match: Match, trials: readonly Trial[], rounds: number): Promise<MatchRecord> {
  const rows = Math.max(...trials.map(({ run }) => run.rows))
  const opened = new Map<EngineName, IsolatedEngine>()
  try {
    for (const name of names) opened.set(name, await openIsolated(name, await specOf(name, match, rows)))
    const tallies = { nextx: tally(), 'llama.cpp': tally() }
    let agreement = 1
    for (const trial of trials) agreement = Math.min(agreement, await warmUp(opened, trial))
    for (let round = 0; round < rounds; round++) {
      const order = round % 2 === 0 ? names : names.toReversed()
      for (const trial of trials) for (const name of order) add(tallies[name], trial, await opened.get(name)!.decode(trial.run))
    }
    console.log(`${matchName(match)}: done, machine load ${machineLoad().toFixed(2)}`)
    const [nextx, llama] = [
      await close(opened.get('nextx')!, tallies.nextx),
      await close(opened.get('llama.cpp')!, tallies['llama.cpp']),
    ]
    return { match, agreement, engines: { nextx, 'llama.cpp': llama } }
  } finally {
    for (const engine of opened.values()) await engine.close()
  }
}

function tally() {
  return { rates: new Map<string, number[]>(), processorRates: new Map<string, number[]>(), together: new Map<string, number>() }
}

function add({ rates, processorRates, together }: ReturnType<typeof tally>, trial: Trial, times: DecodeTimes): void {
  const { tokens, time } = trial.count(times)
  const push = (lists: Map<string, number[]>, value: number) => lists.set(trial.name, [...(lists.get(trial.name) ?? []), value])
  push(rates, (tokens / time.clock) * 1e3)
  push(processorRates, (tokens / time.processor) * 1e3)
  together.set(trial.name, Math.min(together.get(trial.name) ?? times.together, times.together))
}

/** Runs a trial once in each engine; the share of likeliest ids on which they agree. */
async function warmUp(engines: ReadonlyMap<EngineName, IsolatedEngine>, { run }: Trial): Promise<number> {
  const first = await engines.get('nextx')!.decode(run)
  const second = await engines.get('llama.cpp')!.decode(run)
  return first.likeliest.filter((id, i) => id === second.likeliest[i]).length / first.likeliest.length
}

async function close(engine: IsolatedEngine, { rates, processorRates, together }: ReturnType<typeof tally>): Promise<EngineRecord> {
  const { description, loading } = engine
  const memory = await engine.memory()
  await engine.close()
  return { description, loading, memory, rates, processorRates, together }
}
