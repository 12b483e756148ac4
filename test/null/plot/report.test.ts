import type { Element } from '@xmldom/xmldom'
import { expect, test } from 'vitest'
import { readSeries } from '../../../src/data/index.ts'
import { forecastReport } from '../../../src/plot/index.ts'
import { parseXml } from './read-svg.ts'
import { backtestOf, forecastOf, madeUp, monthAfter } from './series-of.ts'

const rows = (id: string) =>
  Array.from({ length: 24 }, (_, i) => ({ unique_id: id, ds: new Date(monthAfter(i)).toISOString().slice(0, 10), y: 10 + i }))

function textsOf(root: Element, name: string): string[] {
  return [...root.getElementsByTagName(name)].map((element) => element.textContent ?? '')
}

/** Rows of the table below a heading, or a summary. */
function tableAfter(root: Element, heading: string): string[][] {
  const all = [...root.getElementsByTagName('*')]
  const from = all.findIndex((element) => ['h2', 'summary'].includes(element.tagName) && element.textContent === heading)
  const table = all.slice(from).find((element) => element.tagName === 'table')!
  return [...table.getElementsByTagName('tr')].map((row) => [...textsOf(row, 'th'), ...textsOf(row, 'td')])
}

test('tells what was read, how methods did, and what comes next', async () => {
  const read = await readSeries(rows('a'))
  // Off by 1 and 3, the second time outside of an interval of 2 on the lower side.
  const backtest = backtestOf([madeUp('a', 22, [31, 36], { 80: 2 })], [32, 33], [80])
  const naive = { ...backtestOf([madeUp('a', 22, [30, 30])], [32, 33]), model: 'naive' }
  const html = await forecastReport({
    source: '/data/sales.csv',
    read,
    backtests: [backtest, naive],
    forecast: forecastOf([madeUp('a', 24, [34, 35.25], { 80: 2 })]),
    passedOver: [{ model: 'theta', reason: 'it is not there' }],
    coefficients: { lags: [Float64Array.of(0.5, 0.5), Float64Array.of(1, 0)] },
    command: "nextx forecast 'sales.csv'",
    versions: { nextx: '1.2.3', 'Node.js': 'v20' },
  })
  const root = parseXml(html)
  expect(textsOf(root, 'h1')).toEqual(['Forecast of sales.csv'])
  expect(Object.fromEntries(tableAfter(root, 'What was read') as [string, string][])).toEqual({
    file: '/data/sales.csv',
    rows: '24',
    series: 'a',
    'values of a series': '24',
    frequency: 'month, as the dates say',
    'time zone': 'UTC',
    'from, to': '2010-01-01, 2011-12-01',
    'missing values': 'none',
  })
  const smape = (100 * (2 / 63 + 6 / 69)) / 2
  expect(tableAfter(root, 'Methods on past windows')).toEqual([
    ['method', 'MAE', 'RMSE', 'sMAPE', 'MASE', 'CRPS', 'in 80 %'],
    ['oracle', '2.0000', Math.sqrt(5).toFixed(4), `${smape.toFixed(1)} %`, '1.00', '-', '50 %'],
    ['naive', '2.5000', Math.sqrt(6.5).toFixed(4), expect.stringMatching(/^8\.0 %$/), '1.25', '-', '-'],
  ])
  expect(
    tableAfter(root, 'by step of the horizon')
      .slice(1)
      .map((row) => row.slice(0, 2)),
  ).toEqual([
    ['step 1', '1.0000'],
    ['step 2', '3.0000'],
  ])
  expect(tableAfter(root, 'by series')[1]!.slice(0, 2)).toEqual(['a', '2.0000'])
  expect(tableAfter(root, '2 values')).toEqual([
    ['series', 'time', 'oracle', '80 % from', 'to'],
    ['a', '2012-01-01', '34.000', '32.000', '38.000'],
    ['a', '2012-02-01', '35.250', '33.250', '39.250'],
  ])
  expect(textsOf(root, 'p')).toEqual(expect.arrayContaining(['theta was passed over: it is not there', 'nextx 1.2.3, Node.js v20']))
  expect(textsOf(root, 'code')).toEqual(["nextx forecast 'sales.csv'"])
  expect(root.getElementsByTagName('svg').length).toBe(2)
})

test('needs nothing from elsewhere, and lets no script run', async () => {
  const read = await readSeries(rows('a'))
  const html = await forecastReport({ source: 'x', read, backtests: [backtestOf([madeUp('a', 22, [1, 2])], [3, 4])] })
  const elements = [...parseXml(html).getElementsByTagName('*')]
  const names = elements.flatMap((element) => [...element.attributes].map((attribute) => attribute.name))
  expect(names.filter((name) => /^(on|src|href|xlink:href|style|action)/.test(name))).toEqual([])
  expect(
    elements.map((element) => element.tagName).filter((name) => /^(script|link|iframe|img|object|embed|image)$/.test(name)),
  ).toEqual([])
  expect(html).toContain(`content="default-src 'none'; style-src 'unsafe-inline'"`)
  expect(html).not.toMatch(/url\(|@import/)
})

test('hostile names stay text in every place', async () => {
  const hostile = '</td></title><script>alert("1")</script><img src=x onerror=alert(1)>&amp;\'\u0000<%= 1 %>'
  const read = await readSeries([...rows(hostile), ...rows('b')])
  const id = read.frame.series[0]!.id
  const html = await forecastReport({
    source: hostile,
    read,
    backtests: [{ ...backtestOf([madeUp(id, 22, [1, 2])], [3, 4]), model: hostile }],
    forecast: forecastOf([madeUp(id, 24, [1, 2])], hostile),
    passedOver: [{ model: hostile, reason: hostile }],
    coefficients: { series: hostile, lags: [Float64Array.of(1)] },
    command: hostile,
    versions: { [hostile]: hostile },
  })
  const root = parseXml(html)
  expect([...root.getElementsByTagName('script'), ...root.getElementsByTagName('img')]).toEqual([])
  expect(textsOf(root, 'code')).toEqual([hostile.replace('\u0000', '\ufffd')])
  expect(tableAfter(root, 'by series')[1]![0]).toBe(hostile.replace('\u0000', '\ufffd'))
})

test('long tables say what they leave out', async () => {
  const read = await readSeries(rows('a'))
  const long = madeUp(
    'a',
    24,
    Array.from({ length: 1200 }, (_, i) => i),
  )
  const root = parseXml(await forecastReport({ source: 'x', read, backtests: [], forecast: forecastOf([long]) }))
  expect(tableAfter(root, '1,200 values').length).toBe(1001)
  expect(textsOf(root, 'p')).toContain('200 more rows are left out.')
})

test('refuses content that it does not know', async () => {
  const read = await readSeries(rows('a'))
  await expect(forecastReport({ source: 'x', read, backtests: [], titel: 'y' } as never)).rejects.toThrow('titel')
})
