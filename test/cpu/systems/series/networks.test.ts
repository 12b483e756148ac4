import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { SeriesFrame } from '../../../../src/data/index.ts'
import { type Device, openDevice } from '../../../../src/platform/index.ts'
import { type Forecaster, fitForecaster, restoreForecaster } from '../../../../src/systems/index.ts'
import { frameOf, wavesOf } from '../../../null/systems/series/frames.ts'
import { noise } from '../../../null/tensor/finite-differences.ts'

let device: Device
beforeAll(async () => {
  device = await openDevice({ worker: false, threads: 1 })
})
afterAll(() => device[Symbol.asyncDispose]())

const small = { inputSize: 12, width: 8, heads: 2, layers: 1, minSteps: 0, maxSteps: 3, batch: 8 }

function fit(model: string, frame: SeriesFrame, options: object = {}): Promise<Forecaster> {
  const { heads, ...others } = small
  const own = model === 'spacetime' ? others : { ...others, heads }
  return fitForecaster(frame, { model, horizon: 4, device, calibrationWindows: 0, options: { ...own, ...options } })
}

/** Means by series, of what follows a history. */
async function meansOf(forecaster: Forecaster, history: SeriesFrame, horizon?: number): Promise<Map<string, Float64Array>> {
  const { series } = await forecaster.forecast({ history, levels: [], ...(horizon !== undefined && { horizon }) })
  return new Map(series.map(({ id, mean }) => [id, mean]))
}

function expectAlike(got: Float64Array, wanted: ArrayLike<number>, tolerance = 1e-4): void {
  expect(got.length).toBe(wanted.length)
  for (const [step, value] of got.entries())
    expect(Math.abs(value - wanted[step]!)).toBeLessThan(tolerance * Math.abs(wanted[step]!))
}

function distance(a: Float64Array, b: Float64Array): number {
  return Math.max(...a.map((value, i) => Math.abs(value - b[i]!)))
}

/** The frame with the values of one series changed from some value on. */
function changed(frame: SeriesFrame, id: string, from = 0): SeriesFrame {
  const change = (values: Float64Array) => values.map((value, i) => (i < from ? value : 2 * value - 10 * (i % 3)))
  return { ...frame, series: frame.series.map((each) => (each.id === id ? { ...each, values: change(each.values) } : each)) }
}

/** The same weights with other options. */
async function withOptions(forecaster: Forecaster, options: object): Promise<Forecaster> {
  const json = JSON.parse(JSON.stringify(forecaster))
  return restoreForecaster({ ...json, options: { ...json.options, ...options } }, { device })
}

/** Series under each other's names: what 'a' was is now 'c'. */
function renamed(frame: SeriesFrame, ids: string): SeriesFrame {
  return { ...frame, series: frame.series.map((each, i) => ({ ...each, id: ids[i]! })) }
}

describe('series as tokens', () => {
  const frame = wavesOf(3, 60)

  it('iTransformer treats all series alike, whatever their order, and takes other numbers of them', async () => {
    // Without a scaler, so that names mean nothing.
    const forecaster = await fit('itransformer', frame, { scaler: 'none' })
    const expected = await meansOf(forecaster, frame)
    const turned = await meansOf(forecaster, renamed(frame, 'bca'))
    for (const [i, id] of ['b', 'c', 'a'].entries()) expectAlike(turned.get(id)!, expected.get('abc'[i]!)!)
    for (const count of [1, 2, 5]) expect((await meansOf(forecaster, wavesOf(count, 40))).size).toBe(count)
    // Others count.
    const other = await meansOf(forecaster, changed(frame, 'b'))
    expect(distance(other.get('a')!, expected.get('a')!)).toBeGreaterThan(1e-4)
  })

  it('S-Mamba goes over series in their order, and knows them by their names', async () => {
    const forecaster = await fit('smamba', frame, { scaler: 'none' })
    const expected = await meansOf(forecaster, frame)
    const moved = await meansOf(forecaster, renamed(frame, 'bca'))
    expect(distance(moved.get('b')!, expected.get('a')!)).toBeGreaterThan(1e-4)
    const shuffled = await meansOf(forecaster, { ...frame, series: [frame.series[2]!, frame.series[0]!, frame.series[1]!] })
    for (const id of 'abc') expectAlike(shuffled.get(id)!, expected.get(id)!, 1e-6)
  })

  it('histories of several numbers of series are told apart', async () => {
    const forecaster = await fit('itransformer', frame)
    const histories = [wavesOf(3, 40), wavesOf(2, 40), wavesOf(2, 50), wavesOf(3, 50)]
    const together = await forecaster.forecastEach(histories, { levels: [] })
    for (const [i, { series }] of together.entries()) {
      const alone = await meansOf(forecaster, histories[i]!)
      for (const { id, mean } of series) expectAlike(mean, alone.get(id)!, 1e-5)
    }
  })

  it('covariates are tokens too, of the past and of the future', async () => {
    const covered = (count: number) => ({
      ...frame,
      series: frame.series.map((each) => ({
        ...each,
        past: { visits: frame.series[0]!.values.map((value) => 1 / value) },
        future: { price: Float64Array.from({ length: count }, (_, i) => Math.sin(i)) },
      })),
    })
    const forecaster = await fit('itransformer', covered(64))
    const expected = await meansOf(forecaster, covered(64))
    const history = covered(64)
    for (const each of history.series) each.future.price![63] = 7
    expect(distance((await meansOf(forecaster, history)).get('a')!, expected.get('a')!)).toBeGreaterThan(1e-5)
  })
})

describe('Gateformer', () => {
  const frame = wavesOf(2, 60)
  const options = { hidden: 8, patch: 4, stride: 2 }

  it.each(['gated', 'whole', 'patches'])('time %s: other series count unless each has its own alone', async (time) => {
    for (const cross of ['gated', 'own', 'mixed']) {
      const forecaster = await fit('gateformer', frame, { ...options, time, cross })
      const before = (await meansOf(forecaster, frame)).get('a')!
      const after = (await meansOf(forecaster, changed(frame, 'b'))).get('a')!
      if (cross === 'own') expectAlike(after, before, 1e-6)
      else expect(distance(after, before)).toBeGreaterThan(1e-6)
    }
  })

  it('views time in ways that differ, and takes what it needs by default', async () => {
    const forecaster = await fit('gateformer', frame, options)
    const of = async (time: string) => (await meansOf(await withOptions(forecaster, { time }), frame)).get('a')!
    const [gated, whole, patches] = [await of('gated'), await of('whole'), await of('patches')]
    for (const [a, b] of [
      [gated, whole],
      [gated, patches],
      [whole, patches],
    ] as const)
      expect(distance(a, b)).toBeGreaterThan(1e-6)
    await expect(fit('gateformer', frame, { ...options, patch: 13 })).rejects.toThrow(/patches of 13 values/)
    await expect(fit('gateformer', frame, { ...options, heads: 3 })).rejects.toThrow(/3 heads/)
    const usual = { model: 'gateformer', horizon: 3, season: 1, device, calibrationWindows: 0 }
    const defaults = await fitForecaster(frame, { ...usual, options: { minSteps: 0, maxSteps: 1 } })
    expect((await defaults.forecast({ levels: [] })).series.length).toBe(2)
  })
})

describe('Informer', () => {
  const frame = wavesOf(2, 60)

  it('attends in full where its factor lets all queries attend', async () => {
    const full = await fit('informer', frame, { layers: 2, attention: 'full' })
    const expected = await meansOf(full, frame)
    const all = await meansOf(await withOptions(full, { attention: 'sparse', factor: 100 }), frame)
    const few = await meansOf(await withOptions(full, { attention: 'sparse', factor: 0.3 }), frame)
    for (const id of 'ab') {
      expectAlike(all.get(id)!, expected.get(id)!, 1e-5)
      expect(distance(few.get(id)!, expected.get(id)!)).toBeGreaterThan(1e-6)
    }
  })

  it('halves its series between layers, down to one step', async () => {
    for (const layers of [1, 2, 5]) {
      const forecaster = await fit('informer', frame, { layers, inputSize: 9 })
      const names = Object.keys(JSON.parse(JSON.stringify(forecaster)).state.weights)
      const halvings = new Set(names.flatMap((name) => /distillations\.(\d+)/.exec(name)?.[1] ?? []))
      expect(halvings.size).toBe(layers - 1)
      expect((await meansOf(forecaster, frame)).size).toBe(2)
    }
    await expect(fit('informer', frame, { inputSize: 7 })).rejects.toThrow(/distil: false/)
    expect((await meansOf(await fit('informer', frame, { inputSize: 7, distil: false }), frame)).size).toBe(2)
    await expect(fit('informer', frame, { labelSize: 13 })).rejects.toThrow(/labelSize is 13/)
  })
})

describe('Autoformer', () => {
  const frame = wavesOf(2, 60)

  it.each(['point', 'quantile', 'gaussian'])('a %s is the sum of trend and season', async (distribution) => {
    const forecaster = await fit('autoformer', frame, { average: 5, distribution })
    const { series } = await forecaster.forecast({ levels: [] })
    for (const { mean, components } of series) {
      expect(Object.keys(components!)).toEqual(['trend', 'season'])
      expectAlike(
        mean.map((_, step) => components!.trend![step]! + components!.season![step]!),
        mean,
        1e-5,
      )
    }
  })

  it('takes no counts apart, whose mean is no sum', async () => {
    const counts = { ...frame, series: frame.series.map((each) => ({ ...each, values: each.values.map(Math.round) })) }
    const forecaster = await fit('autoformer', counts, { average: 5, distribution: 'negative-binomial' })
    expect((await forecaster.forecast({ levels: [80] })).series[0]!.components).toBeUndefined()
  })

  it('refuses even averages and inputs that are too short for them', async () => {
    await expect(fit('autoformer', frame, { average: 4 })).rejects.toThrow(/an odd number/)
    await expect(fit('autoformer', frame, { average: 7 })).rejects.toThrow(/at least 14 values/)
    await expect(fit('autoformer', frame, { average: 5, labelSize: 20 })).rejects.toThrow(/labelSize is 20/)
  })

  it('needs the series that it was fitted to', async () => {
    const forecaster = await fit('autoformer', frame, { average: 5 })
    await expect(meansOf(forecaster, wavesOf(1, 60))).rejects.toThrow(/without 'b'/)
    await expect(meansOf(forecaster, wavesOf(3, 60))).rejects.toThrow(/a history of 3 series/)
  })
})

describe('GPHT', () => {
  const frame = wavesOf(1, 60)
  const options = { token: 4, hidden: 8, stages: [4, 2, 1] }

  it('says of each stretch what comes next from it and those before alone', async () => {
    // The loss of one window of three stretches and the one to come, by weights that stay as they were drawn.
    const still = { ...small, ...options, maxSteps: 2, epochs: 2, learningRate: 1e-30, validationSize: 4 }
    const noises = noise('gpht', [25]).data
    const excess = async (shift: number) => {
      const values = noises.map((value, i) => (i >= 17 && i < 21 ? value + shift : value))
      let loss = Number.NaN
      const onProgress = ({ validationLoss = Number.NaN }) => {
        loss = validationLoss
      }
      const own = { ...still, scaler: 'none', normalization: 'none' }
      const settings = { model: 'gpht', horizon: 4, device, calibrationWindows: 0, options: own, onProgress }
      const forecaster = await fitForecaster(frameOf([{ values }]), settings)
      const last = (await meansOf(forecaster, frameOf([{ values: values.slice(0, 21) }]))).get('a')!
      return 12 * loss - last.reduce((sum, value, i) => sum + (value - values[21 + i]!) ** 2, 0)
    }
    // Without what is said after the third stretch, that one counts as a target alone: four squares of which the second difference is 8.
    const [below, at, above, beyond] = [await excess(-1), await excess(0), await excess(1), await excess(2)]
    expect(below - 2 * at + above).toBeCloseTo(8, 3)
    expect(at - 2 * above + beyond).toBeCloseTo(8, 3)
  })

  it('goes on from its own forecasts', async () => {
    const forecaster = await fit('gpht', frame, options)
    const first = (await meansOf(forecaster, frame, 4)).get('a')!
    const longer = {
      ...frame,
      series: frame.series.map((each) => ({ ...each, values: Float64Array.of(...each.values, ...first) })),
    }
    const second = (await meansOf(forecaster, longer, 4)).get('a')!
    expectAlike((await meansOf(forecaster, frame, 8)).get('a')!, [...first, ...second])
    expectAlike((await meansOf(forecaster, frame, 6)).get('a')!, [...first, ...second].slice(0, 6))
  })

  it('works with one stage, and refuses what does not divide', async () => {
    expect((await meansOf(await fit('gpht', frame, { ...options, stages: [1] }), frame)).get('a')!.length).toBe(4)
    await expect(fit('gpht', frame, { ...options, stages: [3, 1] })).rejects.toThrow(/pools 3 of 4/)
    await expect(fit('gpht', frame, { ...options, inputSize: 10 })).rejects.toThrow(/a multiple of 4/)
  })
})

describe('SpaceTime', () => {
  const frame = wavesOf(1, 60)

  it.each(['companion', 'diagonal'])('%s spaces say the beginning of a longer forecast first', async (space) => {
    const forecaster = await fit('spacetime', frame, { width: 4, state: 6, space })
    const long = (await meansOf(forecaster, frame, 10)).get('a')!
    for (const horizon of [1, 5]) expectAlike((await meansOf(forecaster, frame, horizon)).get('a')!, long.slice(0, horizon))
  })

  it('refuses inputs shorter than its state, and odd diagonal ones', async () => {
    const options = { width: 4 }
    await expect(fit('spacetime', frame, { ...options, state: 13 })).rejects.toThrow(/at least 13/)
    await expect(fit('spacetime', frame, { ...options, state: 5, space: 'diagonal' })).rejects.toThrow(/an even number/)
  })
})

it.each([
  ['itransformer', {}],
  ['smamba', {}],
  ['gateformer', { hidden: 8, patch: 4, stride: 2 }],
  ['autoformer', { average: 5 }],
  ['informer', {}],
])('%s says the beginning of its forecast where less is asked for', async (model, options) => {
  const frame = wavesOf(2, 60)
  const forecaster = await fit(model, frame, options)
  const [whole, part] = [await meansOf(forecaster, frame), await meansOf(forecaster, frame, 2)]
  for (const id of 'ab') expectAlike(part.get(id)!, whole.get(id)!.slice(0, 2), 1e-6)
})

it('what a series is told apart from others does not depend on them', async () => {
  const frame = wavesOf(2, 60)
  for (const [model, options] of [
    ['itransformer', {}],
    ['informer', {}],
    ['autoformer', { average: 5 }],
    ['gateformer', { hidden: 8, patch: 4, stride: 2 }],
  ] as const) {
    const forecaster = await fit(model, frame, { ...options, variates: 'apart' })
    const before = (await meansOf(forecaster, frame)).get('a')!
    expectAlike((await meansOf(forecaster, changed(frame, 'b'))).get('a')!, before, 1e-6)
  }
})
