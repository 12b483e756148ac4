import { type Device, openDevice } from 'nextx/platform'
import { backtest, evaluate, fitForecaster } from 'nextx/systems'
import { gate } from './lib/gate.ts'
import type { Bench, Findings } from './lib/result.ts'
import { summarise } from './lib/statistics.ts'
import { autoregression, normals, stepFrame } from './series/synthetic.ts'

const seeds = [1, 2, 3]
const horizon = 24
const [train, test] = [20_000, 600]

/** Weights of autoregressions that have nothing to do with the first two. */
const unrelated = [-0.5, 0.3, 0.5, 0.9, 0.95]

/** Networks of one size, all shown the same windows. */
const shared = {
  inputSize: 48,
  width: 64,
  heads: 4,
  batch: 64,
  learningRate: 2e-3,
  epochs: 40,
  patience: 10,
  schedule: 'cosine',
} as const
const arms: Readonly<Record<string, { readonly model: string; readonly options: object }>> = {
  ridge: { model: 'ridge', options: { lags: 48 } },
  itransformer: { model: 'itransformer', options: shared },
  smamba: { model: 'smamba', options: shared },
  gateformer: { model: 'gateformer', options: { ...shared, hidden: 64 } },
  'gateformer, its own past alone': { model: 'gateformer', options: { ...shared, hidden: 64, cross: 'own' } },
}

export const bench: Bench = {
  title: 'Series that follow one another: what looking across them is worth',
  cards: ['45', '78', '105'],
  async run({ quick }): Promise<Findings> {
    await using device = await openDevice({ threads: 1 })
    const errors = Object.fromEntries(Object.keys(arms).map((name) => [name, { follower: [] as number[], others: [] as number[] }]))
    for (const seed of quick ? [1] : seeds)
      for (const [name, arm] of Object.entries(arms)) {
        const { follower, others } = await errorsOf(device, arm, seed, quick)
        errors[name]!.follower.push(follower)
        errors[name]!.others.push(others)
      }
    const ratio = (a: string, b: string, part: 'follower' | 'others') =>
      summarise(errors[a]![part].map((value, i) => value / errors[b]![part][i]!))
    const own = 'gateformer, its own past alone'
    return {
      arms: Object.fromEntries(
        Object.entries(errors).map(([name, { follower, others }]) => [
          name,
          {
            'MSE of the follower': { ...summarise(follower), unit: '' },
            'MSE of the six others': { ...summarise(others), unit: '' },
          },
        ]),
      ),
      ratios: {
        'itransformer / ridge, follower': ratio('itransformer', 'ridge', 'follower'),
        'smamba / itransformer, follower': ratio('smamba', 'itransformer', 'follower'),
        'gateformer / its own past alone, follower': ratio('gateformer', own, 'follower'),
        'gateformer / its own past alone, six others': ratio('gateformer', own, 'others'),
      },
      gates: [
        gate('itransformer / ridge, follower', ratio('itransformer', 'ridge', 'follower').median, '≤ 0.8'),
        gate('gateformer / its own past alone, follower', ratio('gateformer', own, 'follower').median, '≤ 0.9'),
        gate('smamba / itransformer, follower', ratio('smamba', 'itransformer', 'follower').median, '≤ 1.02'),
      ],
      notes: [
        `Seven autoregressions of order 1 with unit variance, the first one of weight 0.8; the second is the first one ${horizon} steps later, plus noise 0.1: its next ${horizon} values are all in the first one's past, and in no other. ${train} values to learn from, every window of the next ${test} as test`,
        'With 4,000 values and all weights 0.8, none of the networks found the leader (follower 0.96 to 0.98 of ridge): tokens have no names, and series that look alike are told apart by their past alone',
        'Ridge maps each series from its own past: that it cannot see the others is the point of comparison the card asks for',
      ],
      seeds: quick ? [1] : seeds,
      versions: {},
    }
  },
}

async function errorsOf(device: Device, { model, options }: { model: string; options: object }, seed: number, quick: boolean) {
  const length = train + test
  const walk = (stream: number, weight = 0.8) =>
    autoregression([weight], length + horizon, Math.sqrt(1 - weight ** 2), 100 * seed + stream)
  const leader = walk(0)
  const noise = normals(length, 100 * seed + 50)
  const columns: Record<string, Float64Array> = { leader: leader.slice(horizon) }
  columns.follower = Float64Array.from({ length }, (_, t) => leader[t]! + 0.1 * noise[t]!)
  for (const [i, weight] of unrelated.entries()) columns[`weight ${weight}`] = walk(i + 2, weight).slice(horizon)
  const cut = Object.fromEntries(Object.entries(columns).map(([name, values]) => [name, values.subarray(0, train)]))
  const fitOptions = quick && model !== 'ridge' ? { ...options, maxSteps: 30 } : options
  const forecaster = await fitForecaster(stepFrame(cut), {
    model,
    horizon,
    options: fitOptions,
    seed,
    device,
    calibrationWindows: 0,
  })
  const tested = await backtest(forecaster, stepFrame(columns), { windows: test - horizon + 1, step: 1, levels: [] })
  await forecaster.dispose()
  const rows = evaluate(tested, { by: 'series' })
  const others = rows.filter(({ key }) => key !== 'follower')
  return {
    follower: rows.find(({ key }) => key === 'follower')!.mse,
    others: others.reduce((sum, { mse }) => sum + mse, 0) / others.length,
  }
}
