import { describe, expect, it } from 'vitest'
import { type ReadSeriesOptions, readSeries, type SeriesFrame } from '../../../src/data/index.ts'
import { DataError, OptionError } from '../../../src/errors/index.ts'
import { crossValidate, fitForecaster, forecasterCost, forecasterIds } from '../../../src/systems/index.ts'

/** Rows of a table as a CSV reader gives them: text in every cell. */
function table(head: string, ...lines: string[]): object[] {
  const names = head.split(',')
  return lines.map((line) => Object.fromEntries(line.split(',').map((cell, i) => [names[i], cell])))
}

const days = (count: number, value: (i: number) => number | string = (i) => 10 + i, from = 0) =>
  Array.from({ length: count }, (_, i) => `${new Date(Date.UTC(2024, 0, 1 + from + i)).toISOString().slice(0, 10)},${value(i)}`)

const read = (rows: object[], options: ReadSeriesOptions = {}) => readSeries(rows, options)

describe('tables that are refused', () => {
  it.each([
    ['an empty table', [], {}, /no rows/],
    ['two rows', table('ds,y', ...days(2)), {}, /2 stamps tell no frequency; expected at least 3/],
    [
      'a word among numbers',
      table('ds,y', ...days(5, (i) => (i === 3 ? 'n.a' : i))),
      {},
      /row 4, column 'y': 'n.a'; expected a finite number/,
    ],
    ['an infinite value', table('ds,y', ...days(5, (i) => (i === 2 ? '-Infinity' : i))), {}, /row 3, column 'y': '-Infinity'/],
    ['an overflow', table('ds,y', ...days(5, (i) => (i === 2 ? '1e999' : i))), {}, /row 3, column 'y': '1e999'/],
    ['a decimal comma', [...table('ds,y', ...days(3)), { ds: '2024-01-04', y: '3,5' }], {}, /write decimal points/],
    ['a currency', table('ds,y', ...days(4, (i) => (i === 1 ? '€12' : i))), {}, /row 2, column 'y': '€12'/],
    ['an empty cell', table('ds,y', ...days(5, (i) => (i === 2 ? '' : i))), {}, /lacks 1 of 5 values, the first row 3/],
    ['a missing day', table('ds,y', ...days(3), ...days(3, (i) => i, 4)), {}, /lacks 1 of 7 values, the first after row 3/],
    ['a day that comes twice', table('ds,y', ...days(3), ...days(3, (i) => i, 2)), {}, /twice: row 3 and row 4/],
    [
      'two formats of dates',
      table('ds,y', ...days(3), '04.01.2024,3'),
      {},
      /stamp 4 is '04.01.2024', and those before it are ISO 8601/,
    ],
    [
      'dates that read in two ways',
      table('ds,y', '01/02/2024,1', '02/02/2024,2', '03/02/2024,3'),
      {},
      /read as .* and as .*; .*name the format/,
    ],
    ['dates that are none', table('ds,y', 'Q1 then,1', 'Q2 then,2', 'Q3 then,3'), {}, /is no date that is understood/],
    ['a date that does not exist', table('ds,y', ...days(3), '2024-02-30,3'), {}, /stamp 4 is '2024-02-30'/],
    [
      'a stray time of day',
      table('ds,y', ...days(4), '2024-01-05 07:30,4', ...days(4, (i) => i, 5)),
      {},
      /is no whole number of steps \(day\)/,
    ],
    [
      'series of two frequencies',
      table('unique_id,ds,y', ...days(4).map((row) => `a,${row}`), 'b,2024-01-01,1', 'b,2024-02-01,2', 'b,2024-03-01,3'),
      {},
      /series 'a' has a value every day, series 'b' every month; expected one frequency/,
    ],
    ['a column that is not there', table('ds,y', ...days(3)), { target: 'sales' }, /no column 'sales'; expected one of ds, y/],
    [
      'a row without an id',
      table('unique_id,ds,y', ...days(3).map((row, i) => `${i === 1 ? '' : 'a'},${row}`)),
      {},
      /row 2: no id/,
    ],
    ['nothing but empty cells', table('ds,y', ...days(4, () => '')), { fill: 'zero' as const }, /series 'y' has no values/],
    [
      'an hour that clocks pass over',
      table('ds,y', ...['00', '01', '02', '03'].map((hour, i) => `2024-03-31 ${hour}:00,${i}`)),
      { zone: 'Europe/Berlin' },
      /twice: row 3 and row 4.*stamps with an offset/,
    ],
    [
      'an hour that comes twice',
      table('ds,y', ...['01', '02', '02', '03'].map((hour, i) => `2024-10-27 ${hour}:00,${i}`)),
      { zone: 'Europe/Berlin' },
      /twice: row 2 and row 3.*stamps with an offset/,
    ],
    [
      'series whose joined names are one',
      table('unique_id,ds,b/c,c', ...['a', 'a/b'].flatMap((id) => days(3).map((row) => `${id},${row},1`))),
      {},
      /two series are named 'a\/b\/c'/,
    ],
  ])('%s', async (_, rows, options, message) => {
    await expect(read(rows, options)).rejects.toThrow(message)
  })

  it('hours with offsets are in no doubt where clocks change', async () => {
    const rows = table(
      'ds,y',
      '2024-10-27T01:00+02:00,1',
      '2024-10-27T02:00+02:00,2',
      '2024-10-27T02:00+01:00,3',
      '2024-10-27T03:00+01:00,4',
    )
    const { frame } = await read(rows, { zone: 'Europe/Berlin' })
    expect([...frame.series[0]!.values]).toEqual([1, 2, 3, 4])
    expect(frame.frequency).toEqual({ unit: 'hour', every: 1 })
  })
})

const untrained = forecasterIds.filter((id) => forecasterCost(id) !== 'training')

describe.each(untrained)('%s', (model) => {
  const frameOf = async (values: readonly number[]): Promise<SeriesFrame> =>
    (await read(table('ds,y', ...days(values.length, (i) => values[i]!)))).frame

  it('continues a constant with a constant, and knows that there is no scale for its errors', async () => {
    const frame = await frameOf(new Array(60).fill(4))
    const { windows } = await crossValidate(frame, { model, horizon: 3, windows: 2, levels: [80] })
    for (const { mean, intervals, scale } of windows) {
      for (const value of [...mean, ...intervals.get(80)!.lower, ...intervals.get(80)!.upper]) expect(value).toBeCloseTo(4, 6)
      expect(scale).toBeUndefined()
    }
  })

  it('refuses a series that is too short, by its name and with what it needs', async () => {
    const frame = await frameOf([1, 2, 3])
    const fit = fitForecaster(frame, { model, horizon: 40, season: 7 })
    if (model === 'last-value' || model === 'drift' || model === 'theta') await expect(fit).resolves.toBeDefined()
    else await expect(fit).rejects.toThrow(/series 'y' has 3 values; expected at least \d+ for/)
    await expect(crossValidate(frame, { model, horizon: 2, windows: 2 })).rejects.toThrow(DataError)
  })

  it('says finite numbers of values that leap from the tiniest to the largest', async () => {
    const frame = await frameOf(Array.from({ length: 50 }, (_, i) => (i % 5 === 0 ? 1e8 : i % 3 === 0 ? -1e-8 : i)))
    const forecaster = await fitForecaster(frame, { model, horizon: 4 })
    const { mean, intervals } = (await forecaster.forecast()).series[0]!
    const { lower, upper } = intervals.get(95)!
    expect([...mean, ...lower, ...upper].every(Number.isFinite)).toBe(true)
  })
})

it('a method that says all steps at once refuses more of them than it was fitted for', async () => {
  const { frame } = await read(table('ds,y', ...days(60)))
  const forecaster = await fitForecaster(frame, { model: 'ridge', horizon: 5 })
  const error = forecaster.forecast({ horizon: 6 })
  await expect(error).rejects.toThrow(OptionError)
  await expect(error).rejects.toThrow(
    /a horizon of 6 of a 'ridge' that was fitted for 5; expected at most 5; fit it for the longer horizon/,
  )
})
