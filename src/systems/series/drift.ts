import { baseline } from './baseline.ts'

/** The line from the first value to the last, drawn on. */
export default baseline({
  id: 'drift',
  source: 'Hyndman & Athanasopoulos, Forecasting: Principles and Practice, section 5.2',
  minimumLength: () => 2,
  continued(values, horizon) {
    const last = values.at(-1)!
    const slope = (last - values[0]!) / (values.length - 1)
    return Float64Array.from({ length: horizon }, (_, step) => last + slope * (step + 1))
  },
})
