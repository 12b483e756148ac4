import type { ServedRequest, ServedTimes } from './engine/arm.ts'
import type { EngineName } from './engine/arms.ts'
import { openIsolated } from './engine/isolated.ts'
import { type Match, specOf } from './engine/matches.ts'
import { schedule } from './engine/schedule.ts'
import { atLeast, metric } from './engine/speed-findings.ts'
import { percentile } from './lib/percentile.ts'
import type { Bench, Findings, Metric } from './lib/result.ts'
import { pairedRatios } from './lib/statistics.ts'

interface Arm {
  readonly name: string
  readonly engine: EngineName
  readonly rows: number
}

const rows = 16
const arms: readonly Arm[] = [
  { name: 'nextx, together', engine: 'nextx', rows },
  { name: 'nextx, one after another', engine: 'nextx', rows: 1 },
  { name: 'llama.cpp, together', engine: 'llama.cpp', rows },
]

export const bench: Bench = {
  title: 'Continuous batching of 32 requests against running them one after another',
  cards: ['engine', '40'],
  async run({ quick }): Promise<Findings> {
    const match: Match = { size: quick ? '15M' : '110M', weights: 'q8_0', threads: 2 }
    const requests = schedule({
      count: quick ? 12 : 32,
      gap: quick ? 10 : 50,
      prompt: { mean: 90, sigma: 0.8, most: 512 },
      tokens: { mean: quick ? 24 : 64, sigma: 0.8, most: 256 },
      seed: 1,
    })
    const served = await serveInTurns(match, requests, quick ? 2 : 5)
    return findings(match, requests, served)
  },
}

/** All arms on the same requests, in rounds, after a warm-up; the process of the other engine stands still. */
async function serveInTurns(match: Match, requests: readonly ServedRequest[], rounds: number): Promise<Map<string, ServedTimes[]>> {
  const engines = {
    nextx: await openIsolated('nextx', await specOf('nextx', match, rows)),
    'llama.cpp': await openIsolated('llama.cpp', await specOf('llama.cpp', match, rows)),
  }
  const served = new Map<string, ServedTimes[]>(arms.map(({ name }) => [name, []]))
  try {
    for (const arm of arms) await engines[arm.engine].serve({ requests: requests.slice(0, 4), rows: arm.rows })
    for (let round = 0; round < rounds; round++) {
      for (const arm of arms) served.get(arm.name)!.push(await engines[arm.engine].serve({ requests, rows: arm.rows }))
      console.log(`round ${round + 1} of ${rounds}`)
    }
  } finally {
    for (const engine of Object.values(engines)) await engine.close()
  }
  return served
}

function findings(match: Match, requests: readonly ServedRequest[], served: ReadonlyMap<string, ServedTimes[]>): Findings {
  const totals = (name: string) => served.get(name)!.map(({ total }) => total)
  const gain = pairedRatios(totals('nextx, one after another'), totals('nextx, together'))
  const against = pairedRatios(totals('llama.cpp, together'), totals('nextx, together'))
  const alone = served.get('nextx, one after another')![0]!.ids
  const agreeing = served.get('nextx, together')![0]!.ids.filter((ids, i) => String(ids) === String(alone[i])).length
  const fed = requests.reduce((sum, { prompt }) => sum + prompt, 0)
  const wanted = requests.reduce((sum, { tokens }) => sum + tokens, 0)
  return {
    arms: Object.fromEntries([...served].map(([name, rounds]) => [name, armOf(requests, rounds)])),
    ratios: { 'throughput, together / one after another': gain, 'throughput together, nextx / llama.cpp': against },
    gates: [
      atLeast('throughput, together / one after another', gain, 2.5),
      {
        name: 'what is generated together = what is generated alone',
        want: `all ${requests.length} requests`,
        got: `${agreeing}`,
        pass: agreeing === requests.length,
        hard: true,
      },
    ],
    notes: [
      `${match.size} ${match.weights}, ${match.threads} threads, at most ${rows} requests at once; ${requests.length} requests come within ${requests.at(-1)!.at.toFixed(0)} ms, with ${fed} ids of prompts and ${wanted} to generate, greedily`,
      'first token: from the arrival of a request; between tokens: all gaps of all requests of a round',
    ],
    seeds: [1],
    versions: { 'node-llama-cpp': '3.22.1', 'onnxruntime-node': '1.30.0' },
  }
}

function armOf(requests: readonly ServedRequest[], rounds: readonly ServedTimes[]): Record<string, Metric> {
  const firsts = rounds.map(({ tokens }) => tokens.map((times, i) => times[0]! - requests[i]!.at))
  const gaps = rounds.map(({ tokens }) => tokens.flatMap((times) => times.slice(1).map((time, i) => time - times[i]!)))
  const at = (lists: readonly number[][], share: number) =>
    metric(
      lists.map((list) => percentile(list, share)),
      'ms',
    )
  const speeds = rounds.map(({ tokens, total }) => (tokens.reduce((sum, times) => sum + times.length, 0) / total) * 1e3)
  return {
    'generated, all requests': metric(speeds, 'tokens/s'),
    'first token, half of the requests within': at(firsts, 0.5),
    'first token, 95 % of the requests within': at(firsts, 0.95),
    'between tokens, half within': at(gaps, 0.5),
    'between tokens, 95 % within': at(gaps, 0.95),
  }
}
