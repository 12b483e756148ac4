import { describe, expect, it } from 'vitest'
import { DataError } from '../../../../src/base/errors.ts'
import { type SeriesFrame, withoutLast } from '../../../../src/data/index.ts'
import { samplesOf } from '../../../../src/systems/series-engines/samples.ts'
import { scaleOf, scalingOf } from '../../../../src/systems/series-engines/scaling.ts'
import { windowSources } from '../../../../src/systems/series-engines/sources.ts'
import { frameOf, type SeriesParts } from './frames.ts'

const counting = (from: number, length: number) => Array.from({ length }, (_, i) => from + i)

const sizes = { inputSize: 3, horizon: 2, variates: 1, marks: 0, covariates: 0 }

interface Asked {
  readonly together?: boolean
  readonly calendar?: boolean
  readonly ahead?: number
  readonly room?: number
  readonly last?: number
  /** What the ranges are learnt from; default: the same. */
  readonly learnt?: SeriesFrame
}

function sourcesOf(
  frame: SeriesFrame,
  { together = false, calendar = false, ahead = 0, room = ahead, last, learnt = frame }: Asked = {},
) {
  const scaling = scalingOf(learnt, 'none')
  return windowSources(frame, { together, calendar, scaling, scaler: 'none', ahead, room, ...(last !== undefined && { last }) })
}

/** Every window's values. */
function windowsOf(samples: ReturnType<typeof samplesOf>): number[][] {
  return Array.from({ length: samples.count }, (_, i) => [...samples.rows([i]).values])
}

describe('windows', () => {
  const frame = frameOf([{ values: counting(0, 10) }, { values: counting(100, 6) }, { values: counting(200, 7) }])

  it('are all those of each series, none across two, of any lengths', () => {
    const expected = [
      ...counting(0, 6).map((start) => counting(start, 5)),
      ...counting(100, 2).map((start) => counting(start, 5)),
      ...counting(200, 3).map((start) => counting(start, 5)),
    ]
    expect(windowsOf(samplesOf(sourcesOf(frame), sizes, { to: 0 }))).toEqual(expected)
  })

  it('to learn from never reach into what is held out, and those that judge forecast nothing else', () => {
    const heldOut = 3
    const sources = sourcesOf(frameOf([{ values: counting(0, 12) }, { values: counting(100, 9) }]))
    const learnt = windowsOf(samplesOf(sources, sizes, { to: heldOut })).flat()
    expect(learnt.filter((value) => (value < 100 ? value >= 12 - heldOut : value >= 109 - heldOut))).toEqual([])
    expect(learnt).toContain(12 - heldOut - 1)
    expect(learnt).toContain(109 - heldOut - 1)
    const judged = windowsOf(samplesOf(sources, sizes, { from: heldOut, to: 0 }))
    expect(judged.map((window) => window.slice(3))).toEqual([
      [9, 10],
      [10, 11],
      [106, 107],
      [107, 108],
    ])
    // Inputs begin before.
    expect(judged[0]).toEqual([6, 7, 8, 9, 10])
  })

  it('are none where series are too short', () => {
    expect(samplesOf(sourcesOf(frameOf([{ values: counting(0, 4) }])), sizes, { to: 0 }).count).toBe(0)
  })

  it('of several series together hold all of them at each step', () => {
    const sources = sourcesOf(frameOf([{ values: counting(0, 6) }, { values: counting(100, 6) }]), { together: true })
    const samples = samplesOf(sources, { ...sizes, variates: 2 }, { to: 0 })
    expect(windowsOf(samples)).toEqual([
      [0, 100, 1, 101, 2, 102, 3, 103, 4, 104],
      [1, 101, 2, 102, 3, 103, 4, 104, 5, 105],
    ])
  })
})

describe('what is known beside the values', () => {
  // Past covariates are scaled by mean and deviation: those of −1 and 1 in turn stay as they are.
  const signs = (length: number) => counting(0, length).map((i) => 2 * (i % 2) - 1)
  const both: SeriesParts = { values: counting(0, 8), past: { visits: signs(8) }, future: { price: signs(12) } }

  it('stands at its step, the future beyond the input too', () => {
    const sources = sourcesOf(frameOf([both]))
    const { marks, covariates, values } = samplesOf(sources, { ...sizes, marks: 1, covariates: 1 }, { to: 0 }).rows([1])
    expect([...values]).toEqual(counting(1, 5))
    expect([...marks]).toEqual(signs(6).slice(1))
    expect([...covariates]).toEqual(signs(4).slice(1))
  })

  it('has the calendar first, then covariates by name, then what never changes', () => {
    const constants = { size: 4, kind: 'shop' }
    const first = { ...both, future: { price: signs(12), ads: signs(12).map((each) => -each) }, static: constants }
    const frame = frameOf([first, { ...first, static: { size: 8, kind: 'web' } }])
    const [a, b] = sourcesOf(frame, { calendar: true, ahead: 2 })
    expect(a!.markRows).toBe(10)
    const columns = a!.marks.length / a!.markRows
    expect(columns).toBe(3 + 2 + 1 + 2)
    // The ninth day of 2024, a Tuesday.
    const rowOf = ({ marks }: typeof a & {}, row: number) => [...marks.subarray(row * columns, (row + 1) * columns)]
    expect(rowOf(a!, 8)).toEqual([1 / 6 - 0.5, 8 / 30 - 0.5, 8 / 365 - 0.5, 1, -1, -1, 1, 0].map(Math.fround))
    expect(rowOf(b!, 8).slice(5)).toEqual([1, 0, 1])
  })

  it('stays as it was after the steps that are asked for, unless it is known; the calendar goes on', () => {
    const known = frameOf([{ values: counting(0, 8), future: { price: [...signs(10), 5, 5] } }])
    const [all] = sourcesOf(known, { ahead: 2, room: 4 })
    expect(all!.marks.subarray(8).map(Math.sign)).toEqual(Float32Array.of(-1, 1, 1, 1))
    expect(all!.marks[10]).toBeGreaterThan(all!.marks[9]!)
    const unknown = frameOf([{ values: counting(0, 8), future: { price: signs(10) } }])
    expect([...sourcesOf(unknown, { ahead: 2, room: 4 })[0]!.marks.subarray(8)]).toEqual([-1, 1, 1, 1])
    const [dated] = sourcesOf(frameOf([{ values: counting(0, 8) }]), { calendar: true, ahead: 1, room: 4 })
    expect([8, 9, 10, 11].map((row) => Math.round((dated!.marks[row * 3]! + 0.5) * 6))).toEqual([1, 2, 3, 4])
  })

  it('is refused where it is missing, unknown, of another kind, or no number', () => {
    const learnt = frameOf([
      { ...both, static: { size: 4, kind: 'shop' } },
      { ...both, static: { size: 6, kind: 'web' } },
    ])
    const refused = (change: Partial<SeriesParts>) => () =>
      sourcesOf(frameOf([{ ...both, static: { size: 4, kind: 'shop' }, ...change }]), { learnt, ahead: 2 })
    expect(refused({})).not.toThrow()
    expect(refused({ past: {} })).toThrow(/lacks the past covariate 'visits'/)
    expect(refused({ past: { visits: signs(8), tides: signs(8) } })).toThrow(/'tides', of which nothing was learnt/)
    expect(refused({ past: { visits: signs(8).with(5, Number.NaN) } })).toThrow(
      /'visits' of series 'a' has no number at its value 6/,
    )
    expect(refused({ future: { price: signs(9) } })).toThrow(/'price' of series 'a' has no number at its value 10/)
    expect(refused({ future: {} })).toThrow(/lacks the future covariate 'price'/)
    expect(refused({ static: { size: 4, kind: 'station' } })).toThrow(
      /has the kind 'station'; expected one that was learnt: shop, web/,
    )
    expect(refused({ static: { size: 'large', kind: 'shop' } })).toThrow(/lacks the static number 'size'/)
    expect(refused({ static: { size: Number.NaN, kind: 'shop' } })).toThrow(DataError)
    expect(refused({ static: { kind: 'shop' } })).toThrow(DataError)
    // Not even where as many other columns would fill the rows.
    expect(() =>
      sourcesOf(
        frameOf([
          { ...both, static: { x: 1 } },
          { ...both, static: { y: 2 } },
        ]),
      ),
    ).toThrow(DataError)
  })

  it('must be the same for all series that stand in one window', () => {
    const frame = frameOf([both, { ...both, past: { visits: signs(8).map((each) => -each) } }])
    expect(() => sourcesOf(frame, { together: true })).toThrow(/other past covariates/)
    expect(() => sourcesOf(frame)).not.toThrow()
    const later = { ...frame, series: frame.series.map((series, i) => (i === 0 ? series : withoutLast(series, 1))) }
    expect(() => sourcesOf(later, { together: true })).toThrow(/do not have the same stamps/)
  })
})

describe('ranges', () => {
  it('are mean and deviation, median and middle half, or nothing', () => {
    expect(scaleOf([1, 2, 3, 6], 'standard')).toEqual({ center: 3, spread: Math.sqrt(14 / 4) })
    expect(scaleOf([1, 2, 3, 4, 100], 'robust')).toEqual({ center: 3, spread: 2 })
    expect(scaleOf([1, 2, 3, 6], 'none')).toEqual({ center: 0, spread: 1 })
  })

  it('of constants are 1, whatever rounding leaves', () => {
    for (const value of [0, 0.1, 1e12 / 3, -1e-12])
      for (const scaler of ['standard', 'robust'] as const) expect(scaleOf(new Float64Array(97).fill(value), scaler).spread).toBe(1)
  })

  it('keep up with tiny and huge values, and refuse those whose squares are beyond doubles', () => {
    for (const unit of [1e-150, 1e-12, 1e12, 1e150]) {
      const { center, spread } = scaleOf([unit, 3 * unit], 'standard')
      expect([center / unit, spread / unit]).toEqual([expect.closeTo(2, 9), expect.closeTo(1, 9)])
    }
    expect(() => scaleOf([1e200, -1e200], 'standard')).toThrow(DataError)
  })

  it('count covariates of one name apart where one is of the past and one of the future', () => {
    const frame = frameOf([
      { values: [1, 2, 3], past: { x: [1, 1, 4] } },
      { values: [1, 2, 3], future: { x: [10, 20, 30, 1e9] } },
    ])
    const { past, future } = scalingOf(frame, 'standard')
    expect(past.x!.center).toBe(2)
    expect(future.x!.center).toBe(20)
  })
})
