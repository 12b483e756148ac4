import { fitForecaster } from '../../../../src/systems/index.ts'
import { wavesOf } from '../../../null/systems/series/frames.ts'

/** Fits and forecasts as a user would who has never heard of devices. */
const options = { inputSize: 6, minSteps: 0, maxSteps: 2 }
const forecaster = await fitForecaster(wavesOf(1, 60), { model: 'arnet', horizon: 2, options })
const { series } = await forecaster.forecast()
process.stdout.write(`${series[0]!.mean.length} steps\n`)
