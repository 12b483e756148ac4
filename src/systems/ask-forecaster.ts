import { NonFiniteError } from '../base/errors.ts'
import type { FittedForecaster, Prediction, PredictRequest } from './forecaster-system.ts'

/** What a fitted method says. Throws NonFiniteError where that is no number: a recursion that grows without bounds, or values beyond float32. */
export async function askForecaster(
  fitted: FittedForecaster,
  request: PredictRequest,
): Promise<readonly (readonly Prediction[])[]> {
  const predictions = await fitted.predict(request)
  for (const [i, { series }] of request.histories.entries())
    for (const [j, { id }] of series.entries()) checkNumbers(id, predictions[i]![j]!)
  return predictions
}

function checkNumbers(id: string, { mean, quantiles, components = {}, paths = [] }: Prediction): void {
  for (const values of [mean, ...(quantiles?.values() ?? []), ...Object.values(components), ...paths]) {
    const step = values.findIndex((value) => !Number.isFinite(value))
    if (step >= 0)
      throw new NonFiniteError(`the forecast of series '${id}' is ${values[step]} at step ${step + 1}`, {
        expected: 'a number',
        fix: 'a shorter horizon, another normalization or scaler, or another model',
      })
  }
}
