import * as v from 'valibot'
import { base64Floats } from '../../base/base64.ts'
import { elementCount, type HostTensor } from '../../base/dtype.ts'
import { FormatError } from '../../base/errors.ts'
import { checkFit, namedVariables } from '../../nn/index.ts'
import { type Device, openDevice } from '../../platform/index.ts'
import type { FitRequest, FittedForecaster } from '../forecaster-system.ts'
import { count } from '../read-config.ts'
import type { NeuralDefinition, NeuralSystemOptions } from './neural-definition.ts'
import { headOf } from './neural-options.ts'
import { placedCoefficients } from './placed-coefficients.ts'
import { predictWindows } from './predict-windows.ts'
import { scalingSchema } from './scaling.ts'
import { WindowRunner } from './window-runner.ts'
import { checkSizes } from './window-sizes.ts'

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
function storedWeights(tensors: ReadonlyMap<string, HostTensor>): State['weights'] {
  return Object.fromEntries(
    Array.from(tensors, ([name, { shape, data }]) => [name, { shape: [...shape], data: base64Floats(data as Float32Array) }]),
  )
}

/** Weights from text. Throws FormatError on anything else. */
export function readWeights(stored: State['weights']): Map<string, HostTensor> {
  return new Map(Object.entries(stored).map(([name, each]) => [name, tensorOf(name, each)]))
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

/** What was learnt, of which network, and as what it was asked for. */
export interface FittedParts<Own> extends Omit<State, 'weights'> {
  readonly weights: ReadonlyMap<string, HostTensor>
  readonly definition: NeuralDefinition<NeuralSystemOptions<Own>>
  readonly options: NeuralSystemOptions<Own>
  readonly request: FitRequest
}

/** A network with what it has learnt. Throws FormatError on what no fit gives, MismatchError when the weights do not fit the network. */
export function fittedNetwork<Own>(parts: FittedParts<Own>, opened?: Opened): FittedForecaster {
  const { definition, options, sizes, weights } = parts
  checkSizes(definition, options, parts.request, parts)
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
    predict: (request) => predictWindows(parts, runner, request),
    state: (): State => ({ sizes, scaling, scaler, ids, heldOut, weights: storedWeights(weights) }),
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
