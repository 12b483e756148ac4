import type { Findings, Gate, Metric } from '../lib/result.ts'
import { pairedRatios, type Summary, summarise } from '../lib/statistics.ts'
import type { EngineName } from './arms.ts'
import { matchName } from './matches.ts'
import type { EngineRecord, MatchRecord } from './race.ts'

export const metric = (values: readonly number[], unit: string): Metric => ({ ...summarise(values), unit })

export const spread = ({ median, min, max }: Summary) => `${median.toFixed(2)} (${min.toFixed(2)}…${max.toFixed(2)})`

/** A gate on the median. */
export function atLeast(name: string, ratio: Summary, want: number): Gate {
  return { name, want: `≥ ${want}`, got: spread(ratio), pass: ratio.median >= want, hard: false }
}

const engineNames = ['nextx', 'llama.cpp'] as const
const mebibytes = (bytes: number) => metric([bytes / 2 ** 20], 'MiB')

/** Both engines' figures of every match: speeds by trial, memory, time to load. */
export function speedArms(records: readonly MatchRecord[]): Findings['arms'] {
  const arms = records.flatMap(({ match, engines }) =>
    engineNames.map((name) => [`${name}, ${matchName(match)}`, figures(engines[name])] as const),
  )
  return Object.fromEntries(arms)
}

function figures({ rates, processorRates, memory, loading }: EngineRecord): Record<string, Metric> {
  const speeds = [...rates].flatMap(([trial, values]) => [
    [trial, metric(values, 'tokens/s')] as const,
    [`${trial}, of processor time`, metric(processorRates.get(trial)!, 'tokens/s')] as const,
  ])
  return {
    ...Object.fromEntries(speeds),
    'resident memory': mebibytes(memory.resident),
    'most memory': mebibytes(memory.peak),
    'time to load': metric([loading], 'ms'),
  }
}

/** Speeds of nextx over llama.cpp's of the same round. */
export function speedRatio({ engines }: MatchRecord, trial: string): Summary {
  const rates = (name: EngineName) => engines[name].rates.get(trial)!
  return pairedRatios(rates('nextx'), rates('llama.cpp'))
}

export const ratioName = ({ match }: MatchRecord, trial: string) => `${trial}, ${matchName(match)}: nextx / llama.cpp`

export function speedRatios(records: readonly MatchRecord[]): Record<string, Summary> {
  return Object.fromEntries(
    records.flatMap((record) =>
      [...record.engines.nextx.rates.keys()].map((trial) => [ratioName(record, trial), speedRatio(record, trial)] as const),
    ),
  )
}

/** The least ratio that the issue asks for; none where it is only reported. */
export type Target = (record: MatchRecord, trial: string) => number | undefined

export function speedGates(records: readonly MatchRecord[], target: Target): Gate[] {
  return records.flatMap((record) =>
    [...record.engines.nextx.rates.keys()].flatMap((trial) => {
      const want = target(record, trial)
      return want === undefined ? [] : [atLeast(ratioName(record, trial), speedRatio(record, trial), want)]
    }),
  )
}

/** In float32 both compute the same up to rounding, and llama.cpp's cache in float16: likeliest ids differ only at near ties. */
export function agreementGates(records: readonly MatchRecord[]): Gate[] {
  return records
    .filter(({ match }) => match.weights === 'f32')
    .map(({ match, agreement }) => ({
      name: `same likeliest ids, ${matchName(match)}`,
      want: '≥ 90 %',
      got: `${(100 * agreement).toFixed(0)} %`,
      pass: agreement >= 0.9,
      hard: true,
    }))
}

/** What a reader must know about the arms. */
export function speedNotes(records: readonly MatchRecord[]): string[] {
  const first = records[0]
  const shared = records.flatMap(({ match, engines }) =>
    [...engines['llama.cpp'].together]
      .filter(([trial, rows]) => trial.startsWith('batch') && rows !== Number(trial.slice(6)))
      .map(([trial, rows]) => `llama.cpp, ${matchName(match)}: calls of ${trial} held ${rows} sequences at the median`),
  )
  return [
    'random weights; every arm is fed the same fixed ids, takes the logits of the last token of each sequence and its likeliest id; llama.cpp finds that in C++ and keeps keys and values in float16, nextx in JavaScript and float32',
    ...(first === undefined ? [] : [first.engines['llama.cpp'].description, first.engines.nextx.description]),
    ...agreementNotes(records),
    ...shared,
  ]
}

function agreementNotes(records: readonly MatchRecord[]): string[] {
  const quantised = records.filter(({ match }) => match.weights === 'q8_0' || match.weights === 'q4_0')
  if (quantised.length === 0) return []
  const shares = summarise(quantised.map(({ agreement }) => 100 * agreement))
  return [
    `same likeliest id in q8_0 and q4_0, where both round activations to 8 bits in their own way: ${spread(shares)} % of the steps`,
  ]
}
