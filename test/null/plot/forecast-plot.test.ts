import { expect, test, vi } from 'vitest'
import type { Series } from '../../../src/data/index.ts'
import { backtestPlot, forecastPlot } from '../../../src/plot/index.ts'
import { byClass, corners, newYear, type Point, parseXml, readAxes, texts } from './read-svg.ts'
import { backtestOf, forecastOf, frameOf, madeUp, monthAfter } from './series-of.ts'

const values = Array.from({ length: 60 }, (_, i) => 100 + 3 * i + 20 * Math.sin(i))
const frame = frameOf({ a: values })
const mean = Array.from({ length: 24 }, (_, i) => 310 - 2 * i + 5 * Math.cos(i))

/** What a mark of the only panel draws, in the units of the axes. */
function drawn(svg: string, mark: string): Point[] {
  const root = parseXml(svg)
  const toData = readAxes(root, newYear)
  return corners(byClass(root, mark)[0]!).map(toData)
}

function expectClose(points: readonly Point[], expected: readonly Point[]): void {
  expect(points.length).toBe(expected.length)
  // A hundredth of a pixel: of nine years on 800, and some 400 units on 320.
  const day = 86_400_000
  for (const [i, [stamp, value]] of points.entries()) {
    expect(Math.abs(stamp - expected[i]![0])).toBeLessThan(0.05 * day)
    expect(value).toBeCloseTo(expected[i]![1], 1)
  }
}

test('lines and bands lie where the axes say that the numbers are', async () => {
  const forecast = forecastOf([madeUp('a', 60, mean, { 80: 10, 95: 25 })])
  const svg = await forecastPlot(frame, forecast, { history: 48 })
  const at = (i: number) => monthAfter(60 + i)
  expectClose(
    drawn(svg, 'line0'),
    values.slice(12).map((value, i) => [monthAfter(12 + i), value]),
  )
  expectClose(
    drawn(svg, 'line1'),
    mean.map((value, i) => [at(i), value]),
  )
  const edge = (offset: number) => mean.map((value, i): Point => [at(i), value + offset])
  // The widest first, so that the others lie on it; a band goes along its lower edge and back.
  expectClose(drawn(svg, 'band0').slice(0, 24), edge(-25))
  expectClose(drawn(svg, 'band0').slice(24).reverse(), edge(50))
  expectClose(drawn(svg, 'band1').slice(0, 24), edge(-10))
  expectClose(drawn(svg, 'band1').slice(24).reverse(), edge(20))
})

test('forecasts of the past lie over what came', async () => {
  const windows = [madeUp('a', 36, mean.slice(0, 12)), madeUp('a', 48, mean.slice(12))]
  const backtest = backtestOf(windows, values.slice(0, 12))
  const both = await forecastPlot(frame, forecastOf([madeUp('a', 60, mean)]), { backtest })
  const past = await backtestPlot(frame, backtest)
  for (const svg of [both, past]) {
    expectClose(
      drawn(svg, 'line1'),
      mean.slice(0, 12).map((value, i) => [monthAfter(36 + i), value]),
    )
    expectClose(
      drawn(svg, 'line2'),
      mean.slice(12).map((value, i) => [monthAfter(48 + i), value]),
    )
  }
  expect(texts(parseXml(past))).toContain('Forecasts of the past by oracle')
  expect(texts(parseXml(past)).join()).not.toContain('forecast (oracle)')
})

test('by default the last four horizons or seasons are shown, and all windows with a horizon before', async () => {
  const long = frameOf({ a: Array.from({ length: 400 }, (_, i) => i % 7) })
  const shown = async (horizon: number, first?: number) => {
    const at = madeUp('a', 400, mean.slice(0, horizon))
    const backtest =
      first === undefined ? {} : { backtest: backtestOf([madeUp('a', first, mean.slice(0, horizon))], mean.slice(0, horizon)) }
    return corners(byClass(parseXml(await forecastPlot(long, forecastOf([at]), backtest)), 'line0')[0]!).length
  }
  expect(await shown(6)).toBe(48)
  expect(await shown(20)).toBe(80)
  expect(await shown(10, 300)).toBe(118)
})

test('series have a panel each; a note says how many are left out', async () => {
  const ids = Array.from({ length: 15 }, (_, i) => `shop ${i}`)
  const many = frameOf(Object.fromEntries(ids.map((id) => [id, values])))
  const forecast = forecastOf(ids.map((id) => madeUp(id, 60, mean, { 80: 5 })))
  const root = parseXml(await forecastPlot(many, forecast))
  expect(byClass(root, 'line0').length).toBe(12)
  expect(texts(root)).toEqual(
    expect.arrayContaining(['shop 0', 'shop 11', 'The first 12 of 15 series, every month; 3 are left out']),
  )
  expect(texts(root)).not.toContain('shop 12')
  const all = parseXml(await forecastPlot(many, forecast, { maxSeries: 15, title: 'Shops' }))
  expect(byClass(all, 'line0').length).toBe(15)
  expect(texts(all)).toEqual(expect.arrayContaining(['Shops', '15 series, every month', 'shop 14']))
})

test('the legend tells values, forecast and each interval apart, in colours of their own', async () => {
  const forecast = forecastOf([madeUp('a', 60, mean, { 50: 3, 80: 5, 95: 9 })])
  const svg = await forecastPlot(frame, forecast, { backtest: backtestOf([madeUp('a', 36, mean)], mean) })
  const labels = byClass(parseXml(svg), 'role-legend-label').flatMap(texts)
  expect(labels).toEqual([
    'values',
    'forecasts of the past',
    'forecast (oracle)',
    '95 % interval',
    '80 % interval',
    '50 % interval',
  ])
  const colours = byClass(parseXml(svg), 'role-legend-symbol').flatMap((symbol) =>
    [...symbol.getElementsByTagName('path')].map((path) => path.getAttribute('stroke') ?? path.getAttribute('fill')),
  )
  expect(new Set(colours).size).toBe(6)
})

const hostile = '</text><script>f()</script>&"\'\u0000\u001b[m\ud800 ]]>'

test('ids, titles and names of methods stay text, whatever is in them', async () => {
  const frameOfIt = frameOf({ [hostile]: values, b: values })
  const forecast = forecastOf([madeUp(hostile, 60, mean), madeUp('b', 60, mean)], hostile)
  for (const options of [{}, { title: hostile }]) {
    const root = parseXml(await forecastPlot(frameOfIt, forecast, options))
    expect(root.getElementsByTagName('script').length).toBe(0)
    expect(byClass(root, 'title').flatMap(texts)[0]).toBe('</text><script>f()</script>&"\'\ufffd\ufffd[m\ufffd ]]>')
  }
})

const { NaN: gap, POSITIVE_INFINITY: infinite } = Number
const bare: Series = { id: 'a', start: monthAfter(0), values: new Float64Array(), past: {}, future: {}, static: {} }

test.each([
  ['one value', [5], 1, [6], 1],
  ['a constant', [7, 7, 7, 7], 4, [7, 7], 0],
  ['zeros', [0, 0, 0], 3, [0], 0],
  ['gaps', [1, gap, 3, gap, gap, 6, 7, gap], 8, [8, gap, 10], 2],
  ['nothing but gaps', [gap, gap], 2, [gap, gap], 1],
  ['infinite bounds', [1, 2, 3], 3, [4, 5], infinite],
  ['very large numbers', [1e300, -1e300, 5e299], 3, [1e300], 1e299],
  ['very small numbers', [1e-300, 2e-300], 2, [3e-300], 1e-300],
])('%s draw without a coordinate that is no number', async (_, list, at, forecast, half) => {
  const warn = vi.spyOn(console, 'warn')
  const svg = await forecastPlot(frameOf({ a: list }), forecastOf([madeUp('a', at, forecast, { 80: half, 95: 2 * half })]))
  parseXml(svg)
  expect(svg).not.toMatch(/NaN|Infinity|undefined|null/)
  expect(warn).not.toHaveBeenCalled()
})

test('a value between gaps is a dot, and a line stops where values are missing', async () => {
  const svg = await forecastPlot(frameOf({ a: [1, 2, gap, 4, gap, 6, 7] }), forecastOf([madeUp('a', 7, [8])]))
  const root = parseXml(svg)
  const [path] = [...byClass(root, 'line0')[0]!.getElementsByTagName('path')].map((each) => each.getAttribute('d')!)
  expect(path!.match(/M/g)?.length).toBe(3)
  const dots = (name: string) => byClass(root, name)[0]!.getElementsByTagName('path').length
  expect([dots('dots0'), dots('dots1')]).toEqual([1, 1])
})

test('the interval of a single step is a bar from its lower to its upper bound', async () => {
  const svg = await forecastPlot(frame, forecastOf([madeUp('a', 60, [300], { 80: 20 })]), { history: 60 })
  const root = parseXml(svg)
  const [bar] = [...byClass(root, 'bars0')[0]!.getElementsByTagName('line')]
  const [, x, y] = /translate\(([-\d.]+),([-\d.]+)\)/.exec(bar!.getAttribute('transform')!)!
  const toData = readAxes(root, newYear)
  const ends = [0, Number(bar!.getAttribute('y2'))].map((down) => toData([Number(x), Number(y) + down])[1])
  expect(ends.sort((a, b) => a - b).map((end) => Math.round(end))).toEqual([280, 340])
})

test('numbers as stamps are drawn as numbers', async () => {
  const frameOfSteps = frameOf({ a: values }, { frequency: { unit: 'step', every: 1 } })
  const series = frameOfSteps.series.map((each) => ({ ...each, start: 0 }))
  const forecast = { ...madeUp('a', 0, mean), stamps: mean.map((_, i) => 60 + i) }
  const svg = await forecastPlot({ ...frameOfSteps, series }, { ...forecastOf([forecast]), frequency: { unit: 'step', every: 1 } })
  expect(texts(parseXml(svg))).toEqual(expect.arrayContaining(['a, every step', '40', '80']))
})

test('refuses forecasts of other series, of none, and unknown options', async () => {
  await expect(forecastPlot(frame, forecastOf([madeUp('b', 60, mean)]))).rejects.toThrow("a forecast of 'b'")
  await expect(forecastPlot({ ...frame, series: [bare] }, forecastOf([]))).rejects.toThrow('a forecast of no series')
  await expect(forecastPlot(frame, forecastOf([madeUp('a', 60, mean)]), { histroy: 3 } as object)).rejects.toThrow('histroy')
  await expect(backtestPlot(frame, backtestOf([], []), { maxSeries: 0 })).rejects.toThrow('maxSeries')
})
