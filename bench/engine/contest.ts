import type { Findings } from '../lib/result.ts'
import { type Match, matchName } from './matches.ts'
import { type MatchRecord, race, type Trial } from './race.ts'
import { agreementGates, speedArms, speedGates, speedNotes, speedRatios, type Target } from './speed-findings.ts'

export interface Contest {
  readonly matches: readonly Match[]
  readonly rounds: number
  trials(match: Match): readonly Trial[]
  readonly target: Target
}

/** Runs all matches, one after another. One that fails stays in the findings as a failed gate, and the others go on. */
export async function contest({
  matches,
  rounds,
  trials,
  target,
}: Contest): Promise<{ records: MatchRecord[]; findings: Findings }> {
  const records: MatchRecord[] = []
  const failed: { readonly name: string; readonly reason: string }[] = []
  for (const match of matches) {
    try {
      records.push(await race(match, trials(match), rounds))
    } catch (error) {
      const reason = error instanceof Error ? error.message.split('\n').slice(0, 2).join(' ') : String(error)
      failed.push({ name: matchName(match), reason })
      console.log(`${matchName(match)}: failed: ${reason}`)
    }
  }
  const failures = failed.map(({ name, reason }) => ({ name, want: 'an answer', got: reason, pass: false, hard: true }))
  const findings = {
    arms: speedArms(records),
    ratios: speedRatios(records),
    gates: [...failures, ...agreementGates(records), ...speedGates(records, target)],
    notes: speedNotes(records),
    seeds: [1],
    versions: { 'node-llama-cpp': '3.22.1', 'onnxruntime-node': '1.30.0' },
  }
  return { records, findings }
}
