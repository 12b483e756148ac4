import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { FormatError, MismatchError, NextxError } from '../../src/base/errors.ts'
import { type Device, openDevice } from '../../src/platform/index.ts'
import { fitForecaster, restoreForecaster } from '../../src/systems/index.ts'
import { wavesOf } from '../null/systems/series/frames.ts'
import { budget, patience } from './budget.ts'

const frame = wavesOf(2, 60)
const small = { inputSize: 12, minSteps: 0, maxSteps: 1 }
const attending = { ...small, width: 4, heads: 2, layers: 1 }

const methods: Readonly<Record<string, object>> = {
  arnet: small,
  autoformer: { ...attending, average: 5 },
  ets: {},
  gateformer: { ...attending, hidden: 4, patch: 4, stride: 2 },
  gpht: { ...attending, hidden: 4, stages: [2, 1], token: 4 },
  informer: attending,
  ridge: { lags: 3 },
  'seasonal-naive': {},
  smamba: attending,
  spacetime: { ...small, width: 4, state: 4, layers: 1 },
}

let device: Device
const saved = new Map<string, string>()
beforeAll(async () => {
  device = await openDevice({ worker: false, threads: 1 })
  for (const [model, options] of Object.entries(methods)) {
    const forecaster = await fitForecaster(frame, { model, horizon: 3, device, options, calibrationWindows: 3 })
    saved.set(model, JSON.stringify(forecaster))
    await forecaster.dispose()
  }
})
afterAll(() => device[Symbol.asyncDispose]())

/** What a field of a file may be that was made by nobody. */
const hostile: readonly unknown[] = [
  -1,
  0,
  0.5,
  1,
  2,
  1024,
  2 ** 31 - 1,
  2 ** 31,
  2 ** 53,
  1e308,
  null,
  true,
  '',
  'AAAA',
  // A NaN of float32.
  'AADAfw==',
  'not base64!',
  [],
  [[]],
  [2 ** 31 - 1, 2 ** 31 - 1],
  {},
  { shape: [2 ** 30], data: '' },
]

type Path = readonly string[]

/** Every place of a value, but for the single numbers of long lists. */
function pathsOf(value: unknown, path: Path = []): Path[] {
  if (typeof value !== 'object' || value === null) return [path]
  return [path, ...Object.entries(value).flatMap(([key, each], i) => (i < 24 ? pathsOf(each, [...path, key]) : []))]
}

/** Changes a file in place; undefined takes the field out. */
function put(file: unknown, path: Path, value: unknown): unknown {
  const [key, ...rest] = path
  if (key === undefined) return value
  const holder = file as Record<string, unknown>
  if (rest.length > 0) put(holder[key], rest, value)
  else if (value === undefined) delete holder[key]
  else holder[key] = value
  return file
}

/** What a changed file does: 'refused', 'other' where it forecasts, or the error that nobody meant. */
async function outcome(file: unknown): Promise<unknown> {
  try {
    const restored = await restoreForecaster(file, { device })
    try {
      const { series } = await restored.forecast({ history: frame, horizon: 3, levels: [] })
      return series.every(({ mean }) => mean.every(Number.isFinite)) ? 'forecast' : series
    } finally {
      await restored.dispose()
    }
  } catch (error) {
    return error instanceof NextxError ? 'refused' : error
  }
}

test.each(Object.keys(methods))(
  'a changed file of %s is refused, or forecasts numbers',
  async (model) => {
    const text = saved.get(model)!
    const paths = pathsOf(JSON.parse(text))
    const change = fc.tuple(fc.constantFrom(...paths), fc.constantFrom(...hostile, undefined))
    await fc.assert(
      fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 2 }), async (changes) => {
        let file: unknown = JSON.parse(text)
        for (const [path, value] of changes) {
          // A second change may be of what the first one took out.
          try {
            file = put(file, path, value)
          } catch (error) {
            expect(error).toBeInstanceOf(TypeError)
          }
        }
        expect(['refused', 'forecast']).toContain(await outcome(file))
      }),
      budget(60, 7),
    )
  },
  patience,
)

test('sizes are held to the options and the weights, and weights are numbers', async () => {
  const of = async (model: string, path: string, value: unknown) => {
    const file = put(JSON.parse(saved.get(model)!), path.split('/'), value)
    return restoreForecaster(file, { device })
  }
  for (const [model, path, value] of [
    ['informer', 'state/sizes/inputSize', 2 ** 31 - 1],
    ['informer', 'state/sizes/horizon', 2 ** 31 - 1],
    ['informer', 'state/sizes/variates', 3],
    ['informer', 'state/sizes/calendar', 7],
    ['spacetime', 'state/sizes/season', 2 ** 31 - 1],
    ['arnet', 'state/sizes/outputs', 3],
    ['arnet', 'state/sizes/calendar', 1],
    ['arnet', 'state/scaling/future', { price: { center: 0, spread: 1 } }],
    ['arnet', 'state/weights/lags.bias/data', 'AADAfwAAwH8AAMB/'],
    ['arnet', 'state/weights/lags.bias/data', 'AAAA'],
    ['arnet', 'state/weights/lags.bias/data', '*'],
    ['arnet', 'state/weights/lags.bias/shape', [2 ** 31, 2 ** 31]],
    ['arnet', 'state/scaling/series/a/spread', 0],
    ['arnet', 'frequency/unit', 'fortnight'],
    ['arnet', 'horizon', 2 ** 40],
  ] as const)
    await expect(of(model, path, value), `${model}: ${path}`).rejects.toThrow(FormatError)
  await expect(of('arnet', 'state/weights', {})).rejects.toThrow(MismatchError)
  await expect(of('gpht', 'options/width', 2 ** 31 - 2)).rejects.toThrow(MismatchError)
  await expect(of('arnet', 'options/hidden', new Array(16).fill(2 ** 31 - 1))).rejects.toThrow(MismatchError)
})
