import type { EngineName } from './engine/arms.ts'
import { type Match, specOf } from './engine/matches.ts'
import { metric } from './engine/speed-findings.ts'
import { type ChildArm, openChildArm } from './lib/child-arm.ts'
import { gate } from './lib/gate.ts'
import { percentile } from './lib/percentile.ts'
import type { Bench, Findings, Gate, Metric } from './lib/result.ts'
import { pairedRatios, type Summary } from './lib/statistics.ts'
import { drive, type LoadRun, type LoadTimes } from './serve/load.ts'
import type { ServerRequest } from './serve/server-process.ts'

const rows = 16
const queue = 16
const names = ['nextx', 'llama.cpp'] as const satisfies readonly EngineName[]
const clientCounts = [1, 4, 16, 64] as const

interface Delay {
  readonly p50: number
  readonly p99: number
  readonly most: number
}

interface Round extends LoadTimes {
  readonly delay: Delay
}

interface RunningServer {
  readonly child: ChildArm<ServerRequest>
  readonly url: string
}

export const bench: Bench = {
  title: 'The server under 1 to 64 clients beside llama.cpp behind the least of HTTP, on the same weights',
  cards: ['serve'],
  async run({ quick }): Promise<Findings> {
    const match: Match = { size: quick ? '15M' : '110M', weights: 'q8_0', threads: 2 }
    const rounds = quick ? 1 : 3
    const servers = { nextx: await open('nextx', match), 'llama.cpp': await open('llama.cpp', match) }
    try {
      const found = new Map<string, Round[]>()
      const overhead = { http: [] as number[], direct: [] as number[] }
      for (const name of names) await measure(servers[name], { ...runOf(4, quick), requests: 4 })
      for (let round = 0; round < rounds; round++) {
        for (const clients of clientCounts)
          for (const name of names) {
            const times = await measure(servers[name], runOf(clients, quick))
            found.set(keyOf(name, clients), [...(found.get(keyOf(name, clients)) ?? []), times])
            console.log(`round ${round + 1} of ${rounds}, ${clients} clients, ${name}: ${speedOf(times).toFixed(0)} tokens/s`)
          }
        await compare(servers.nextx, runOf(rows, quick), overhead)
      }
      return findings(match, found, overhead, quick)
    } finally {
      for (const { child } of Object.values(servers)) await child.close()
    }
  },
}

function runOf(clients: number, quick: boolean): LoadRun {
  return { clients, requests: Math.max(quick ? 4 : 6, Math.round(1.5 * clients)), prompt: 64, tokens: quick ? 16 : 64 }
}

const keyOf = (name: string, clients: number) => `${name}, ${clients} ${clients === 1 ? 'client' : 'clients'}`
const speedOf = ({ tokens, total }: { readonly tokens: number; readonly total: number }) => (tokens / total) * 1e3

async function open(name: EngineName, match: Match): Promise<RunningServer> {
  const child = openChildArm<ServerRequest>(new URL('./serve/server-process.ts', import.meta.url), [name])
  const url = (await child.ask({ kind: 'open', spec: await specOf(name, match, rows), queue })) as string
  child.pause(true)
  return { child, url }
}

/** The other server's process stands still meanwhile. */
async function measure({ child, url }: RunningServer, run: LoadRun): Promise<Round> {
  child.pause(false)
  await child.ask({ kind: 'delay' })
  const times = await drive(url, run)
  const delay = (await child.ask({ kind: 'delay' })) as Delay
  child.pause(true)
  if (times.failed.length > 0) throw new Error(`${times.failed.length} requests failed: ${times.failed[0]}`)
  return { ...times, delay }
}

/** The same requests with HTTP and without, in turn. */
async function compare(
  { child, url }: RunningServer,
  run: LoadRun,
  found: { readonly http: number[]; readonly direct: number[] },
): Promise<void> {
  child.pause(false)
  for (let turn = 0; turn < 2; turn++) {
    found.http.push(speedOf(await drive(url, run)))
    found.direct.push(speedOf((await child.ask({ kind: 'direct', run })) as { total: number; tokens: number }))
  }
  child.pause(true)
}

function findings(
  match: Match,
  found: ReadonlyMap<string, Round[]>,
  overhead: { readonly http: readonly number[]; readonly direct: readonly number[] },
  quick: boolean,
): Findings {
  const at = (name: string, clients: number) => found.get(keyOf(name, clients))!
  const speeds = (name: string, clients: number) => at(name, clients).map(speedOf)
  const ratios = Object.fromEntries(
    clientCounts.map((clients): [string, Summary] => [
      `throughput, nextx / llama.cpp, ${clients} clients`,
      pairedRatios(speeds('nextx', clients), speeds('llama.cpp', clients)),
    ]),
  )
  const kept = pairedRatios(speeds('nextx', 64), speeds('nextx', 16))
  const cost = pairedRatios(overhead.direct, overhead.http)
  const refused = at('nextx', 64).flatMap((round) => round.refused)
  const gates: Gate[] = [
    gate('throughput at 16 clients, nextx / llama.cpp', ratios['throughput, nextx / llama.cpp, 16 clients']!.median, '≥ 1.3'),
    gate('throughput at 64 clients / at 16', kept.median, '≥ 0.9', true),
    gate('answers of 429, 99 % within, ms', refused.length === 0 ? Number.NaN : percentile(refused, 0.99), '≤ 50', true),
    gate('time with HTTP / without, 16 clients', cost.median, '≤ 1.05'),
    gate(
      'delay of the event loop at 16 clients, 99 % within, ms',
      Math.max(...at('nextx', 16).map(({ delay }) => delay.p99)),
      '≤ 20',
    ),
  ]
  const { prompt, tokens } = runOf(1, quick)
  return {
    arms: Object.fromEntries([...found].map(([key, rounds]) => [key, armOf(rounds)])),
    ratios: { ...ratios, 'throughput, nextx at 64 clients / at 16': kept, 'time with HTTP / without, 16 clients': cost },
    gates,
    notes: [
      `${match.size} ${match.weights}, ${match.threads} threads, at most ${rows} sequences at once and, of nextx, ${queue} more in line; prompts of ${prompt} ids, answers of ${tokens} tokens, streamed; the clients share the machine's cores with the server`,
      'llama.cpp: node-llama-cpp behind node:http, without checks or limits; what finds no sequence free waits',
      `refused with 429: ${refused.length} answers, after which clients wait as long as they were told`,
    ],
    seeds: [1],
    versions: { 'node-llama-cpp': '3.22.1', 'onnxruntime-node': '1.30.0', fastify: '5.12.8' },
  }
}

function armOf(rounds: readonly Round[]): Record<string, Metric> {
  const within = (of: (round: Round) => readonly number[], share: number) =>
    metric(
      rounds.map((round) => percentile(of(round), share)),
      'ms',
    )
  const shares = [0.5, 0.95, 0.99]
  return {
    generated: metric(rounds.map(speedOf), 'tokens/s'),
    ...Object.fromEntries(shares.map((share) => [`first token, ${share * 100} % within`, within(({ first }) => first, share)])),
    ...Object.fromEntries(
      shares.map((share) => [`between tokens, ${share * 100} % within`, within(({ between }) => between, share)]),
    ),
    'event loop delay, 99 % within': metric(
      rounds.map(({ delay }) => delay.p99),
      'ms',
    ),
  }
}
