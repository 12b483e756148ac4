import type { SoakFindings, SoakSample } from './engine/arm.ts'
import { openIsolated } from './engine/isolated.ts'
import { specOf } from './engine/matches.ts'
import { metric } from './engine/speed-findings.ts'
import type { Bench, Findings, Gate } from './lib/result.ts'

const rows = 8

export const bench: Bench = {
  title: 'Ten minutes of mixed requests, 30 % of them cancelled: memory, buffers and the event loop stay bounded',
  cards: ['engine', '40'],
  async run({ quick }): Promise<Findings> {
    const seconds = quick ? 40 : 600
    const engine = await openIsolated('nextx', await specOf('nextx', { size: '15M', weights: 'q8_0', threads: 2 }, rows))
    try {
      return findings(await engine.soak({ seconds, rows, cancelled: 0.3, seed: 1 }), seconds)
    } finally {
      await engine.close()
    }
  },
}

function findings(found: SoakFindings, seconds: number): Findings {
  const { samples, delay } = found
  const column = (key: keyof SoakSample, unit: string, scale = 1) =>
    metric(
      samples.map((sample) => sample[key] / scale),
      unit,
    )
  return {
    arms: {
      'nextx, 15M q8_0, 2 threads': {
        'resident memory': column('resident', 'MiB', 2 ** 20),
        'buffers of the device': column('buffers', 'buffers'),
        'bytes of buffers': column('bytes', 'MiB', 2 ** 20),
        'requests on their way': column('requests', 'requests'),
        'delay of the event loop, median': metric([delay.median], 'ms'),
        'delay of the event loop, 99 % within': metric([delay.p99], 'ms'),
        'delay of the event loop, most': metric([delay.most], 'ms'),
        'requests finished': metric([found.finished], 'requests'),
        'requests cancelled': metric([found.cancelled], 'requests'),
        generated: metric([found.generated / seconds], 'tokens/s'),
      },
    },
    ratios: {},
    gates: gatesOf(found, seconds),
    notes: [
      `prompts log-normal, mean 60, at most 400; answers log-normal, mean 30, at most 200; half sampled, half greedy; five priorities; a third of the prompts begin alike; ${rows} rows and about as many waiting; prefix cache of 32 MiB`,
      'half of the cancelled requests are aborted within 500 ms, half are left by their reader',
    ],
    seeds: [1],
    versions: { 'onnxruntime-node': '1.30.0' },
  }
}

function gatesOf({ samples, failed, problems, buffers, delay, finished, cancelled }: SoakFindings, seconds: number): Gate[] {
  const most = (from: number, to: number) => {
    const part = samples.filter(({ at }) => at >= from * seconds && at < to * seconds)
    return Math.max(...part.map(({ resident }) => resident / 2 ** 20))
  }
  const [early, late] = [most(0.1, 0.4), most(0.7, 1)]
  // A short run ends before all rows have been touched.
  const settled = seconds >= 600
  const hard = true
  return [
    {
      name: 'no request failed',
      want: '0',
      got: failed.length === 0 ? '0' : `${failed.length}: ${failed[0]}`,
      pass: failed.length === 0,
      hard,
    },
    {
      name: 'the engine finds nothing wrong inside',
      want: 'nothing',
      got: problems.join('; ') || 'nothing',
      pass: problems.length === 0,
      hard,
    },
    {
      name: 'buffers after as before',
      want: `${buffers.before}`,
      got: `${buffers.after}`,
      pass: buffers.after === buffers.before,
      hard,
    },
    {
      name: 'resident memory of the last third is that of the first',
      want: `≤ ${(early + 32).toFixed(0)} MiB`,
      got: `${late.toFixed(0)} MiB`,
      pass: late <= early + 32,
      hard: settled,
    },
    {
      name: '99 % of the delays of the event loop',
      want: '≤ 50 ms',
      got: `${delay.p99.toFixed(1)} ms`,
      pass: delay.p99 <= 50,
      hard: false,
    },
    {
      name: 'share of cancelled requests',
      want: '20…40 %',
      got: `${((100 * cancelled) / (finished + cancelled)).toFixed(0)} %`,
      pass: Math.abs(cancelled / (finished + cancelled) - 0.3) <= 0.1,
      hard: false,
    },
  ]
}
