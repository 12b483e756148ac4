import type { Bench, Findings, Metric } from './lib/result.ts'
import { summarise } from './lib/statistics.ts'
import { benchSpec, initialWeights, randomBatches } from './train/model-spec.ts'
import { trainingStep } from './train/nextx.ts'

interface Times {
  /** Building the model, tracing, differentiating, simplifying. */
  readonly trace: number
  /** Emitting ONNX and making the session. */
  readonly session: number
  readonly firstStep: number
  readonly secondStep: number
  readonly nodes: number
}

const milliseconds = async (task: () => Promise<unknown>): Promise<number> => {
  const start = performance.now()
  await task()
  return performance.now() - start
}

async function measure(layers: number): Promise<Times> {
  const spec = { ...benchSpec, layers }
  const weights = initialWeights(1, spec)
  const [first, second] = randomBatches(spec, 2)
  let step: Awaited<ReturnType<typeof trainingStep>> | undefined
  const trace = await milliseconds(async () => {
    step = await trainingStep(spec, weights, 2, false)
  })
  const { program, device } = step!
  const session = await milliseconds(() => program.load())
  const rate = Float32Array.of(1e-3)
  const firstStep = await milliseconds(() => program.run({ ...first!, rate }))
  const secondStep = await milliseconds(() => program.run({ ...second!, rate }))
  await device[Symbol.asyncDispose]()
  return { trace, session, firstStep, secondStep, nodes: program.trace.order.length }
}

const metric = (values: readonly number[], unit: string): Metric => ({ ...summarise(values), unit })

export const bench: Bench = {
  title: 'Time from a TypeScript model to its first training step',
  cards: ['tensor'],
  async run({ quick }): Promise<Findings> {
    const sizes = [2, 6, 24]
    const rounds = quick ? 1 : 5
    await measure(2)
    const times = new Map<number, Times[]>(sizes.map((layers) => [layers, []]))
    for (let round = 0; round < rounds; round++) for (const layers of sizes) times.get(layers)!.push(await measure(layers))
    const arms = Object.fromEntries(sizes.map((layers) => [`${layers} layers`, metricsOf(times.get(layers)!)]))
    const total = arms['6 layers']!['until the first step starts']!.median
    return {
      arms,
      ratios: {},
      gates: [
        {
          name: 'first call to first step, 6 layers',
          want: '< 600 ms',
          got: `${total.toFixed(0)} ms (median of ${rounds})`,
          pass: total < 600,
          hard: true,
        },
      ],
      notes: [
        'training step (loss, gradients, clipping, AdamW) of width 256, 8 heads, context 128, batch 16; 2 threads; opening the worker is part of "trace"',
      ],
      seeds: [1],
      versions: { 'onnxruntime-node': '1.30.0' },
    }
  },
}

function metricsOf(times: readonly Times[]): Record<string, Metric> {
  return {
    'open device, build, trace': metric(
      times.map(({ trace }) => trace),
      'ms',
    ),
    'emit and make session': metric(
      times.map(({ session }) => session),
      'ms',
    ),
    'until the first step starts': metric(
      times.map(({ trace, session }) => trace + session),
      'ms',
    ),
    'first step': metric(
      times.map(({ firstStep }) => firstStep),
      'ms',
    ),
    'second step': metric(
      times.map(({ secondStep }) => secondStep),
      'ms',
    ),
    nodes: metric(
      times.map(({ nodes }) => nodes),
      'nodes',
    ),
  }
}
