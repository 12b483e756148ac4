import { baseline } from './baseline.ts'

/** All that comes is as a season ago. */
export default baseline({
  id: 'seasonal-naive',
  source: 'Hyndman & Athanasopoulos, Forecasting: Principles and Practice, section 5.2',
  minimumLength: ({ season }) => season,
  continued: (values, horizon, { season }) =>
    Float64Array.from({ length: horizon }, (_, step) => values[values.length - season + (step % season)]!),
})
