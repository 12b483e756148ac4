import { openDevice } from 'nextx/platform'
import { fitForecaster } from 'nextx/systems'
import { normals } from './synthetic.ts'

// tsx --tsconfig tsconfig.run.json bench/series/many-series.ts <arnet|gpht>: one model for 1,000 daily series of 500 values.

const [model = 'arnet'] = process.argv.slice(2)
const [count, length, horizon] = [1000, 500, 14]
const week = [0, 1, 2, 3, 2, 6, 5]

const series = Array.from({ length: count }, (_, index) => {
  const noise = normals(length + 2, index + 1)
  const [level, slope] = [100 * Math.exp(noise[length]!), noise[length + 1]! / 100]
  const values = Float64Array.from({ length }, (_, t) => level * (1 + (slope * t) / 10 + 0.05 * week[t % 7]! + 0.03 * noise[t]!))
  return { id: `series ${index}`, start: Date.UTC(2023, 0, 1), values, past: {}, future: {}, static: {} }
})
const frame = { frequency: { unit: 'day', every: 1 } as const, zone: 'UTC', series }

/** Networks for two cores; updates enough for each to have seen most windows of a week's phase. */
const options = {
  arnet: { inputSize: 28, batch: 256, maxSteps: 2000, validationSize: 56, learningRate: 3e-3 },
  gpht: {
    token: 14,
    stages: [2, 1],
    width: 32,
    hidden: 64,
    layers: 2,
    heads: 4,
    batch: 256,
    maxSteps: 500,
    epochs: 5,
    validationSize: 56,
  },
}[model]

await using device = await openDevice()
const started = performance.now()
const forecaster = await fitForecaster(frame, { model, horizon, options, device })
const fitted = performance.now()
const { series: forecasts } = await forecaster.forecast()
const [first] = forecasts
console.log(
  JSON.stringify({
    fit: (fitted - started) / 1000,
    forecast: (performance.now() - fitted) / 1000,
    first: [...first!.mean].slice(0, 3),
  }),
)
await forecaster.dispose()
