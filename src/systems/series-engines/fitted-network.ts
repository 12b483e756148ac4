import * as v from 'valibot'
import { elementCount, type HostTensor } from '../../base/dtype.ts'
import { DataError, FormatError, OptionError } from '../../base/errors.ts'
import type { SeriesFrame } from '../../data/index.ts'
import type { ForecastHead } from '../../heads/index.ts'
import { checkFit, namedVariables } from '../../nn/index.ts'
import { type Device, openDevice } from '../../platform/index.ts'
import type { FitRequest, FittedForecaster, Prediction, PredictRequest } from '../forecaster-system.ts'
import { count } from '../read-config.ts'
import { type NeuralDefinition, type NeuralSystemOptions, seesTogether } from './neural-definition.ts'
import { headOf } from './neural-options.ts'
import { placedCoefficients } from './placed-coefficients.ts'
import { scalingSchema } from './scaling.ts'
import { type WindowSource, windowSources } from './sources.ts'
import { type Said, WindowRunner } from './window-runner.ts'
import { checkReach, checkSizes } from './window-sizes.ts'

const size = v.pipe(v.number(), v.integer(), v.minValue(0))

/** All that was learnt. */
export const fittedState = v.strictObject({
  sizes: v.strictObject({
    inputSize: count,
    horizon: count,
    variates: count,
    marks: size,
    calendar: size,
    covariates: size,
    outputs: count,
    locations: count,
    season: count,
  }),
  scaling: scalingSchema,
  scaler: v.picklist(['standard', 'robust', 'none']),
  /** Of the series that were learnt from. */
  ids: v.array(v.string()),
  heldOut: size,
  /** float32, little-endian, base64. */
  weights: v.record(v.string(), v.strictObject({ shape: v.array(size), data: v.string() })),
})

type State = v.InferOutput<typeof fittedState>

/** Weights as text. */
export function storedWeights(tensors: ReadonlyMap<string, HostTensor>): State['weights'] {
  return Object.fromEntries(
    Array.from(tensors, ([name, { shape, data }]) => [name, { shape: [...shape], data: textOf(data as Float32Array) }]),
  )
}

/** Weights from text. Throws FormatError on anything else. */
export function readWeights(stored: State['weights']): Map<string, HostTensor> {
  return new Map(Object.entries(stored).map(([name, each]) => [name, tensorOf(name, each)]))
}

function textOf(values: Float32Array): string {
  const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength)
  let text = ''
  for (let start = 0; start < bytes.length; start += 0x8000) text += String.fromCharCode(...bytes.subarray(start, start + 0x8000))
  return btoa(text)
}

function tensorOf(name: string, { shape, data }: State['weights'][string]): HostTensor {
  const bytes = Uint8Array.from(atobChecked(data, name), (character) => character.charCodeAt(0))
  if (bytes.length !== 4 * elementCount(shape))
    throw new FormatError(`the weights '${name}' of a forecaster`, { expected: `${elementCount(shape)} numbers` })
  const values = new Float32Array(bytes.buffer)
  if (!values.every(Number.isFinite)) throw new FormatError(`the weights '${name}' of a forecaster`, { expected: 'finite numbers' })
  return { dtype: 'float32', shape, data: values }
}

function atobChecked(text: string, name: string): string {
  try {
    return atob(text)
  } catch {
    throw new FormatError(`the weights '${name}' of a forecaster`, { expected: 'base64' })
  }
}

interface Parts<Own> extends State {
  readonly definition: NeuralDefinition<NeuralSystemOptions<Own>>
  readonly options: NeuralSystemOptions<Own>
  readonly request: FitRequest
}

/** A network with what it has learnt. Throws FormatError on what no fit gives, MismatchError when the weights do not fit the network. */
export function fittedNetwork<Own>(parts: Parts<Own>, opened?: Opened): FittedForecaster {
  const { definition, options, sizes } = parts
  checkSizes(definition, options, parts.request, parts)
  const weights = readWeights(parts.weights)
  const network = definition.network(options, sizes)
  checkFit(namedVariables(network), weights, 'the state')
  const device = lazyDevice(opened ?? (parts.request.device && { device: parts.request.device, own: false }))
  const runner = new WindowRunner({
    build: (sizesNow) => definition.network(options, sizesNow),
    weights,
    head: headOf(options),
    sizes,
    normalization: options.normalization,
    open: definition.reach === 'open',
    device: device.open,
  })
  const { scaling, scaler, ids, heldOut } = parts
  return {
    minimumLength: sizes.inputSize,
    heldOut,
    predict: (request) => predicted(parts, runner, request),
    state: (): State => ({ sizes, scaling, scaler, ids, heldOut, weights: parts.weights }),
    ...(network.coefficients &&
      headOf(options).linear && {
        coefficients: (id = ids[0]!) =>
          placedCoefficients(
            network.coefficients!(weights),
            options.normalization,
            Object.hasOwn(scaling.series, id) ? scaling.series[id] : undefined,
          ),
      }),
    async dispose() {
      await runner.dispose()
      await device.close()
    },
  }
}

interface Opened {
  readonly device: Device
  /** Whether it is closed with the forecaster. */
  readonly own: boolean
}

/** A device that is opened when it is first needed, unless one is given. */
function lazyDevice(opened: Opened | undefined) {
  let device: Promise<Device> | undefined = opened && Promise.resolve(opened.device)
  return {
    open: () => (device ??= openDevice()),
    async close() {
      if (opened?.own === false) return
      const open = await device
      device = undefined
      await open?.[Symbol.asyncDispose]()
    },
  }
}

async function predicted<Own>(parts: Parts<Own>, runner: WindowRunner, request: PredictRequest): Promise<Prediction[][]> {
  const { definition, options, scaling, scaler, sizes } = parts
  const { histories, horizon, quantiles, paths, signal } = request
  if (paths !== undefined)
    throw new OptionError(`'${definition.id}' draws no paths`, { expected: 'quantiles of each step', fix: 'levels' })
  const together = seesTogether(definition, options)
  const { calendar } = definition.uses
  checkReach(definition, sizes, horizon)
  const room = definition.reach === 'open' ? horizon : Math.ceil(horizon / sizes.horizon) * sizes.horizon
  const settings = { together, calendar, scaling, scaler, last: sizes.inputSize, ahead: horizon, room }
  const sources = histories.map((history) => windowSources(together ? arranged(parts, history) : history, settings))
  const said = await runner.say(sources.flat(), horizon, signal)
  const head = headOf(options)
  let next = 0
  return histories.map(({ series }, i) => {
    const found = new Map(sources[i]!.flatMap((source) => predictionsOf(source, said[next++]!, { head, horizon, quantiles })))
    return series.map(({ id }) => found.get(id)!)
  })
}

/** Series in the order of those that were learnt from, others after them. Throws DataError where the network needs these and they are not there. */
function arranged<Own>({ definition, ids }: Parts<Own>, history: SeriesFrame): SeriesFrame {
  const byId = new Map(history.series.map((series) => [series.id, series]))
  const known = ids.flatMap((id) => byId.get(id) ?? [])
  const others = history.series.filter(({ id }) => !ids.includes(id))
  if ((known.length === ids.length && others.length === 0) || definition.anyVariates === true)
    return { ...history, series: [...known, ...others] }
  const missing = ids.find((id) => !byId.has(id))
  throw new DataError(`a history of ${history.series.length} series${missing === undefined ? '' : `, without '${missing}'`}`, {
    expected: `the ${ids.length} that '${definition.id}' was fitted to, as all stand in one window`,
  })
}

interface Asked {
  readonly head: ForecastHead
  readonly horizon: number
  readonly quantiles: readonly number[]
}

function predictionsOf(source: WindowSource, { parameters, components }: Said, asked: Asked): [string, Prediction][] {
  const { head, horizon, quantiles } = asked
  const variates = source.ids.length
  return source.ids.map((id, variate) => {
    const { center, spread } = source.scales[variate]!
    const steps = Array.from({ length: horizon }, (_, step) => {
      const at = (step * variates + variate) * head.outputs
      return head.unscaled(Float64Array.from(parameters.subarray(at, at + head.outputs)), center, spread)
    })
    const prediction: Prediction = {
      mean: Float64Array.from(steps, (step) => head.mean(step)),
      ...(head.probabilistic && {
        quantiles: new Map(quantiles.map((share) => [share, Float64Array.from(steps, (step) => head.quantile(step, share))])),
      }),
      ...(head.linear &&
        Object.keys(components).length > 0 && { components: componentsOf(components, { variate, variates, center, spread }) }),
    }
    return [id, prediction]
  })
}

interface ComponentPlace {
  readonly variate: number
  readonly variates: number
  readonly center: number
  readonly spread: number
}

/** The first component carries the level. */
function componentsOf(components: Said['components'], { variate, variates, center, spread }: ComponentPlace) {
  return Object.fromEntries(
    Object.entries(components).map(([name, values], i) => [
      name,
      Float64Array.from({ length: values.length / variates }, (_, step) => {
        const value = values[step * variates + variate]! * spread
        return i === 0 ? value + center : value
      }),
    ]),
  )
}
