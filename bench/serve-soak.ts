import { setTimeout } from 'node:timers/promises'
import { type Match, specOf } from './engine/matches.ts'
import { metric } from './engine/speed-findings.ts'
import { type ChildArm, openChildArm } from './lib/child-arm.ts'
import type { Bench, Findings, Gate } from './lib/result.ts'
import type { ServerRequest, ServerSample } from './serve/server-process.ts'
import { type SoakTally, soakServer } from './serve/soak-load.ts'

const rows = 8
const clients = 10

interface Sampled extends ServerSample {
  /** Seconds since the start. */
  readonly at: number
}

export const bench: Bench = {
  title: 'Half an hour of mixed requests to a server, 30 % of them left: memory, rows, sockets and the event loop stay bounded',
  cards: ['serve'],
  async run({ quick }): Promise<Findings> {
    const seconds = quick ? 40 : 1800
    const match: Match = { size: '15M', weights: 'q8_0', threads: 2 }
    const child = openChildArm<ServerRequest>(new URL('./serve/server-process.ts', import.meta.url), ['nextx'])
    try {
      const url = (await child.ask({
        kind: 'open',
        spec: await specOf('nextx', match, rows),
        queue: 16,
        prefixCacheBytes: 2 ** 25,
      })) as string
      await soakServer(url, { seconds: quick ? 5 : 60, clients, share: 0.3, seed: 2 })
      const before = (await child.ask({ kind: 'sample' })) as ServerSample
      const samples: Sampled[] = []
      const running = { going: true }
      const sampling = sampleInTurns(child, samples, running, seconds / 90)
      const tally = await soakServer(url, { seconds, clients, share: 0.3, seed: 1 })
      running.going = false
      await sampling
      await setTimeout(1000)
      return findings(tally, samples, before, (await child.ask({ kind: 'sample' })) as ServerSample, seconds)
    } finally {
      await child.close()
    }
  },
}

async function sampleInTurns(
  child: ChildArm<ServerRequest>,
  samples: Sampled[],
  running: { readonly going: boolean },
  seconds: number,
): Promise<void> {
  const start = performance.now()
  while (running.going) {
    await setTimeout(seconds * 1e3)
    samples.push({ at: (performance.now() - start) / 1e3, ...((await child.ask({ kind: 'sample' })) as ServerSample) })
  }
}

function findings(
  tally: SoakTally,
  samples: readonly Sampled[],
  before: ServerSample,
  after: ServerSample,
  seconds: number,
): Findings {
  const column = (of: (sample: Sampled) => number, unit: string) => metric(samples.map(of), unit)
  return {
    arms: {
      'nextx, 15M q8_0, 2 threads': {
        'resident memory': column(({ resident }) => resident / 2 ** 20, 'MiB'),
        heap: column(({ heap }) => heap / 2 ** 20, 'MiB'),
        'event loop delay, 99 % within': column(({ delay }) => delay, 'ms'),
        'requests on their way': column(({ requests }) => requests, 'requests'),
        'requests finished': metric([tally.finished], 'requests'),
        'requests left by their clients': metric([tally.left], 'requests'),
        'requests refused, 429': metric([tally.refused], 'requests'),
      },
    },
    ratios: {},
    gates: gatesOf(tally, samples, before, after, seconds),
    notes: [
      `${clients} clients for ${seconds} s: completions whole and streamed, with log-probabilities, two answers, users and expressions, embeddings, scores, tokens, and invalid requests; 30 % are left within a second; ${rows} rows, 16 in line, prefix cache of 32 MiB`,
    ],
    seeds: [1],
    versions: { 'onnxruntime-node': '1.30.0', fastify: '5.12.8' },
  }
}

function gatesOf(
  tally: SoakTally,
  samples: readonly Sampled[],
  before: ServerSample,
  after: ServerSample,
  seconds: number,
): Gate[] {
  const most = (from: number, to: number) =>
    Math.max(...samples.filter(({ at }) => at >= from * seconds && at < to * seconds).map(({ resident }) => resident / 2 ** 20))
  const [early, late] = [most(0.1, 0.4), most(0.7, 1.1)]
  const held = ({ running, waiting, users, requests }: ServerSample) =>
    `${running} rows, ${waiting} waiting, ${users} users, ${requests} requests`
  const delay = Math.max(...samples.map((sample) => sample.delay))
  return [
    {
      name: 'no request failed',
      want: '0',
      got: tally.failed.length === 0 ? '0' : `${tally.failed.length}: ${tally.failed[0]}`,
      pass: tally.failed.length === 0,
      hard: true,
    },
    { name: 'held after as before', want: held(before), got: held(after), pass: held(after) === held(before), hard: true },
    {
      name: 'the service finds nothing wrong inside',
      want: 'nothing',
      got: after.problems.join('; ') || 'nothing',
      pass: after.problems.length === 0,
      hard: true,
    },
    {
      name: 'resident memory of the last third is that of the first',
      want: `≤ ${(early + 32).toFixed(0)} MiB`,
      got: `${late.toFixed(0)} MiB`,
      pass: late <= early + 32,
      hard: seconds >= 600,
    },
    {
      name: '99 % of the delays of the event loop, in the worst interval',
      want: '≤ 50 ms',
      got: `${delay.toFixed(1)} ms`,
      pass: delay <= 50,
      hard: false,
    },
  ]
}
