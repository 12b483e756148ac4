import type { Bench, Findings, Gate, Metric } from './lib/result.ts'
import { pairedRatios, type Summary, summarise } from './lib/statistics.ts'
import type { RunningArm } from './train/arm.ts'
import type { ArmName } from './train/arms.ts'
import { gemmRate } from './train/gemm.ts'
import { isolated } from './train/isolated.ts'
import {
  type Batch,
  benchSpec,
  floatingOperationsPerStep,
  initialWeights,
  randomBatches,
  readTinyShakespeare,
  realBatches,
} from './train/model-spec.ts'

interface Contender {
  readonly label: string
  readonly arm: ArmName
  readonly threads: number
  /** Steps per round: fast arms take more, so that a round measures similar times. */
  readonly steps: number
}

const contenders: readonly Contender[] = [
  { label: 'nextx, 1 thread', arm: 'nextx', threads: 1, steps: 3 },
  { label: 'nextx in place, 1 thread', arm: 'nextx-in-place', threads: 1, steps: 3 },
  { label: 'jax-js, 1 thread', arm: 'jax-js', threads: 1, steps: 1 },
  { label: 'tfjs-wasm, 1 thread', arm: 'tfjs-wasm', threads: 1, steps: 1 },
  { label: 'nextx, 2 threads', arm: 'nextx', threads: 2, steps: 3 },
  { label: 'jax-js, 2 threads', arm: 'jax-js', threads: 2, steps: 1 },
]

interface Measured {
  readonly milliseconds: number[]
  readonly losses: number[]
  peakMemory: number
}

const comparedSteps = 3

/** Runs every contender on the same batches: a warm-up whose losses are compared, then rounds in which all take turns. */
async function race(batches: readonly Batch[], rounds: number, gemm: Map<number, number[]>): Promise<Map<string, Measured>> {
  const weights = initialWeights(1)
  const records = new Map<string, Measured>(contenders.map(({ label }) => [label, { milliseconds: [], losses: [], peakMemory: 0 }]))
  const running = new Map<string, RunningArm>()
  for (const { label, arm, threads } of contenders) {
    const opened = await isolated(arm, threads).open(benchSpec, weights)
    running.set(label, opened)
    for (const { x, y } of batches.slice(0, comparedSteps)) records.get(label)!.losses.push(await opened.step(x, y))
    opened.pause!(true)
  }
  for (let round = 0; round < rounds; round++) {
    const { x, y } = batches[comparedSteps + round]!
    for (const { label, steps } of contenders)
      records.get(label)!.milliseconds.push(await timeSteps(running.get(label)!, x, y, steps))
    for (const [threads, rates] of gemm) rates.push(...(await gemmRate(threads, 3)))
    console.log(`round ${round + 1} of ${rounds}`)
  }
  for (const [label, arm] of running) {
    arm.pause!(false)
    records.get(label)!.peakMemory = await arm.peakMemory!()
    await arm.close()
  }
  return records
}

async function timeSteps(arm: RunningArm, x: Int32Array, y: Int32Array, steps: number): Promise<number> {
  arm.pause!(false)
  const start = performance.now()
  for (let i = 0; i < steps; i++) await arm.step(x, y)
  const milliseconds = (performance.now() - start) / steps
  arm.pause!(true)
  return milliseconds
}

export const bench: Bench = {
  title: 'One training step of a 4.8M-parameter GPT against jax-js and tfjs in WebAssembly',
  cards: ['tensor', 'train'],
  async run({ quick }): Promise<Findings> {
    const rounds = quick ? 1 : 7
    const text = readTinyShakespeare()
    const count = comparedSteps + rounds
    const batches = text === undefined ? randomBatches(benchSpec, count) : realBatches(text, benchSpec, count)
    const gemm = new Map<number, number[]>([
      [1, []],
      [2, []],
    ])
    const records = await race(batches, rounds, gemm)
    return findings(records, gemm, text === undefined ? 'random ids (NEXTX_DATA has no tinyshakespeare)' : 'tinyshakespeare')
  },
}

function findings(records: ReadonlyMap<string, Measured>, gemm: ReadonlyMap<number, number[]>, data: string): Findings {
  const times = (label: string) => records.get(label)!.milliseconds
  const ratio = (slow: string, fast: string) => pairedRatios(times(slow), times(fast))
  const operations = floatingOperationsPerStep(benchSpec)
  const rate = (label: string) => times(label).map((ms) => operations / ms / 1e6)
  const share = (threads: number) =>
    summarise(
      rate(`nextx, ${threads} thread${threads > 1 ? 's' : ''}`).map((gflops) => gflops / summarise(gemm.get(threads)!).median),
    )
  const ratios = {
    'jax-js / nextx, 1 thread': ratio('jax-js, 1 thread', 'nextx, 1 thread'),
    'tfjs-wasm / nextx, 1 thread': ratio('tfjs-wasm, 1 thread', 'nextx, 1 thread'),
    'jax-js 1 thread / nextx 2 threads': ratio('jax-js, 1 thread', 'nextx, 2 threads'),
    'jax-js / nextx, 2 threads': ratio('jax-js, 2 threads', 'nextx, 2 threads'),
    'in place / double-buffered, 1 thread': ratio('nextx in place, 1 thread', 'nextx, 1 thread'),
    'share of the GEMM rate, 1 thread': share(1),
    'share of the GEMM rate, 2 threads': share(2),
  }
  return {
    arms: armsOf(records, gemm, operations),
    ratios,
    gates: gatesOf(ratios, records),
    notes: [
      `GPT 6 layers, width 256, 8 heads, context 128, batch 16, characters of ${data}; loss, gradients, clipping and AdamW in every step`,
    ],
    seeds: [1],
    versions: {
      'onnxruntime-node': '1.30.0',
      '@jax-js/jax': isolated('jax-js', 1).version,
      '@tensorflow/tfjs-backend-wasm': isolated('tfjs-wasm', 1).version,
    },
  }
}

function armsOf(records: ReadonlyMap<string, Measured>, gemm: ReadonlyMap<number, number[]>, operations: number): Findings['arms'] {
  const tokens = benchSpec.batch * benchSpec.context
  const metric = (values: readonly number[], unit: string): Metric => ({ ...summarise(values), unit })
  const arms = [...records].map(([label, { milliseconds, peakMemory }]) => {
    const speed = metric(
      milliseconds.map((ms) => (tokens / ms) * 1000),
      'tokens/s',
    )
    const rate = metric(
      milliseconds.map((ms) => operations / ms / 1e6),
      'GFLOPS',
    )
    return [
      label,
      { step: metric(milliseconds, 'ms'), speed, rate, 'peak memory of its process': metric([peakMemory / 2 ** 20], 'MiB') },
    ] as const
  })
  const products = [...gemm].map(
    ([threads, rates]) => [`plain products, ${threads} thread(s)`, { rate: metric(rates, 'GFLOPS') }] as const,
  )
  return Object.fromEntries([...arms, ...products])
}

function gatesOf(ratios: Readonly<Record<string, Summary>>, records: ReadonlyMap<string, Measured>): Gate[] {
  const atLeast = (name: string, want: number): Gate => {
    const { median, min, max } = ratios[name]!
    return {
      name,
      want: `≥ ${want}`,
      got: `${median.toFixed(2)} (${min.toFixed(2)}…${max.toFixed(2)})`,
      pass: median >= want,
      hard: false,
    }
  }
  const memory = records.get('nextx, 1 thread')!.peakMemory / 2 ** 20
  const [inPlace, plain] = ['nextx in place, 1 thread', 'nextx, 1 thread'].map((label) => records.get(label)!.losses)
  const worst = worstDifference(records)
  const state = ratios['in place / double-buffered, 1 thread']!
  return [
    atLeast('jax-js / nextx, 1 thread', 4),
    atLeast('tfjs-wasm / nextx, 1 thread', 15),
    atLeast('jax-js 1 thread / nextx 2 threads', 8),
    atLeast('share of the GEMM rate, 1 thread', 0.75),
    { name: 'peak memory, 1 thread', want: '≤ 900 MiB', got: `${memory.toFixed(0)} MiB`, pass: memory <= 900, hard: false },
    {
      name: `losses of the first ${comparedSteps} steps agree in all arms`,
      want: '≤ 1e-3 relative',
      got: worst.toExponential(1),
      pass: worst <= 1e-3,
      hard: true,
    },
    {
      name: 'in place = double-buffered',
      want: 'the same bits',
      got: String(inPlace) === String(plain) ? 'the same losses, to the bit' : `${inPlace} against ${plain}`,
      pass: String(inPlace) === String(plain),
      hard: true,
    },
    {
      name: 'in place is not slower',
      want: '≤ 1.05 (the noise)',
      got: `${state.median.toFixed(3)} (${state.min.toFixed(3)}…${state.max.toFixed(3)})`,
      pass: state.median <= 1.05,
      hard: true,
    },
  ]
}

function worstDifference(records: ReadonlyMap<string, Measured>): number {
  const reference = records.get('nextx, 1 thread')!.losses
  return Math.max(
    ...[...records.values()].flatMap(({ losses }) => losses.map((loss, i) => Math.abs(loss - reference[i]!) / reference[i]!)),
  )
}
