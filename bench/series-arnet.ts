import { Matrix, solve } from 'ml-matrix'
import { type Device, openDevice } from 'nextx/platform'
import { fitForecaster } from 'nextx/systems'
import { gate } from './lib/gate.ts'
import type { Bench, Findings } from './lib/result.ts'
import { summarise } from './lib/statistics.ts'
import { autoregression, exponent, stepFrame } from './series/synthetic.ts'

const seeds = [1, 2, 3]
/** Triebe et al. 2019, section 4: AR(3), noise 0.1. */
const process3 = [0.2, 0.3, -0.5]

/** Everything at its own scale, so that weights are those of the process. */
const plain = { normalization: 'none', scaler: 'none', validationSize: 0, learningRate: 1e-2 } as const

export const bench: Bench = {
  title: 'AR-Net: the weights of least squares, sparse lags, and a cost that is linear in the order',
  cards: ['31'],
  async run({ quick }): Promise<Findings> {
    await using device = await openDevice({ threads: 1 })
    const length = quick ? 2000 : 10_000
    const learnt = await perSeed(quick, async (seed) => {
      const values = autoregression(process3, length, 0.1, seed)
      const weights = await fittedWeights(device, values, 3, { epochs: 20 }, seed)
      const wanted = leastSquares(values, 3)
      return Math.max(...wanted.map((weight, i) => Math.abs(weight - weights[i]!)))
    })
    const sparse = await perSeed(quick, async (seed) => {
      const values = autoregression(process3, length, 0.1, seed)
      const error = async (sparsity: number) =>
        relativeError(await fittedWeights(device, values, 50, { epochs: 20, sparsity, scaler: 'standard' }, seed), process3)
      return { plain: await error(1), sparse: await error(3 / 50) }
    })
    const orders = quick ? [10, 100] : [10, 30, 100, 300, 1000]
    const costs = await costsOf(device, orders)
    const growth = (pick: (cost: Cost) => number) => exponent(orders, costs.map(pick))
    const last = costs.at(-1)!
    const at100 = costs[orders.indexOf(100)]!
    const ratio = summarise(sparse.map((each) => each.sparse / each.plain))
    return {
      arms: {
        'AR(3), 3 lags': { 'largest difference from least squares': { ...summarise(learnt), unit: '' } },
        'AR(3), 50 lags': {
          'sTPE, sparsity 1': { ...summarise(sparse.map((each) => each.plain)), unit: '%' },
          'sTPE, sparsity 3/50': { ...summarise(sparse.map((each) => each.sparse)), unit: '%' },
        },
        ...Object.fromEntries(
          orders.map((order, i) => [
            `order ${order}`,
            {
              'AR-Net, an update of 32 windows': { ...summarise([costs[i]!.update * 1e6]), unit: 'µs' },
              'normal equations, 4000 windows': { ...summarise([costs[i]!.normal * 1e3]), unit: 'ms' },
              'ridge (sliding sums), 4000 windows': { ...summarise([costs[i]!.sliding * 1e3]), unit: 'ms' },
            },
          ]),
        ),
      },
      ratios: { 'sTPE sparse / plain': ratio },
      gates: [
        gate('largest difference of a weight from least squares', summarise(learnt).median, '≤ 0.01'),
        gate('sTPE with sparsity / without', ratio.median, '≤ 0.2'),
        gate(
          'exponent of AR-Net’s update in the order',
          growth(({ update }) => update),
          '≤ 1.1',
        ),
        gate(
          'exponent of the normal equations in the order',
          growth(({ normal }) => normal),
          '≥ 1.5',
        ),
        ...(quick
          ? []
          : [
              gate('AR-Net’s update, order 1000 / order 100', last.update / at100.update, '≤ 12'),
              gate('normal equations, order 1000 / order 100', last.normal / at100.normal, '≥ 50'),
            ]),
      ],
      notes: [
        'The sparse arms scale values by their deviation: the regulariser is weighed against squared errors in these units (raw, with noise 0.1, it takes the true weights too)',
        'sTPE = 100·Σ|ŵ − w| / Σ(|ŵ| + |w|) against the true weights of the process, zeros included',
        'Normal equations: XᵀX as a matrix product and a solution, as textbooks have it. Our ridge forms XᵀX from sliding sums, which the lags of one series allow; it is linear until the solution of order³ takes over',
      ],
      seeds: quick ? seeds.slice(0, 1) : seeds,
      versions: {},
    }
  },
}

async function perSeed<T>(quick: boolean, of: (seed: number) => Promise<T>): Promise<T[]> {
  const all: T[] = []
  for (const seed of quick ? seeds.slice(0, 1) : seeds) all.push(await of(seed))
  return all
}

/** Lag 0 first. */
async function fittedWeights(
  device: Device,
  values: Float64Array,
  lags: number,
  options: object,
  seed: number,
): Promise<Float64Array> {
  const forecaster = await fitForecaster(stepFrame({ y: values }), {
    model: 'arnet',
    horizon: 1,
    device,
    seed,
    calibrationWindows: 0,
    options: { ...plain, inputSize: lags, ...options },
  })
  const [weights] = forecaster.coefficients().lags
  await forecaster.dispose()
  return weights!
}

function leastSquares(values: Float64Array, lags: number): number[] {
  const rows = Array.from({ length: values.length - lags }, (_, t) => [
    ...Array.from({ length: lags }, (_, i) => values[t + lags - 1 - i]!),
    1,
  ])
  const x = new Matrix(rows)
  const y = Matrix.columnVector(Array.from(values.subarray(lags)))
  return solve(x.transpose().mmul(x), x.transpose().mmul(y)).to1DArray().slice(0, lags)
}

function relativeError(weights: Float64Array, truth: readonly number[]): number {
  let [difference, size] = [0, 0]
  for (const [i, weight] of weights.entries()) {
    const wanted = truth[i] ?? 0
    difference += Math.abs(weight - wanted)
    size += Math.abs(weight) + Math.abs(wanted)
  }
  return (100 * difference) / size
}

/** Seconds. */
interface Cost {
  readonly update: number
  readonly normal: number
  readonly sliding: number
}

const windows = 4000

async function costsOf(device: Device, orders: readonly number[]): Promise<Cost[]> {
  const costs: Cost[] = []
  for (const order of orders) {
    const values = autoregression(process3, windows + order, 0.1, 1)
    costs.push({
      update: await updateSeconds(device, values, order),
      normal: best(() => void leastSquares(values, order), order >= 300 ? 1 : 3),
      sliding: await slidingSeconds(values, order),
    })
  }
  return costs
}

function best(run: () => void, times: number): number {
  const seconds = Array.from({ length: times }, () => {
    const started = performance.now()
    run()
    return (performance.now() - started) / 1000
  })
  return Math.min(...seconds)
}

/** Median over updates of a fit, the first fifty left out. */
async function updateSeconds(device: Device, values: Float64Array, order: number): Promise<number> {
  const stamps: number[] = []
  const options = { ...plain, inputSize: order, maxSteps: 400, epochs: 1000 }
  const onProgress = () => void stamps.push(performance.now())
  const forecaster = await fitForecaster(stepFrame({ y: values }), {
    model: 'arnet',
    horizon: 1,
    device,
    options,
    calibrationWindows: 0,
    onProgress,
  })
  await forecaster.dispose()
  const steps = stamps.slice(50).map((stamp, i) => stamp - stamps[i + 49]!)
  return summarise(steps).median / 1000
}

async function slidingSeconds(values: Float64Array, order: number): Promise<number> {
  const started = performance.now()
  await fitForecaster(stepFrame({ y: values }), {
    model: 'ridge',
    horizon: 1,
    options: { lags: order, penalty: 0 },
    calibrationWindows: 0,
  })
  return (performance.now() - started) / 1000
}
