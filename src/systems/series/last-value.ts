import { baseline } from './baseline.ts'

/** All that comes is as the last value. */
export default baseline({
  id: 'last-value',
  source: 'the random walk; Hyndman & Athanasopoulos, Forecasting: Principles and Practice, section 5.2',
  minimumLength: () => 1,
  continued: (values, horizon) => new Float64Array(horizon).fill(values.at(-1)!),
})
