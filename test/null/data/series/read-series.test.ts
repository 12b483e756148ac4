import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { frequencyText, type ReadSeriesOptions, readSeries, stampAt, stampText } from '../../../../src/data/index.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'series-'))
})
afterAll(() => rm(folder, { recursive: true }))

async function read(text: string, options: ReadSeriesOptions = {}, name = 'data.csv') {
  const path = join(folder, name)
  await writeFile(path, text)
  return await readSeries(path, options)
}

const monthly = (...values: (number | string)[]) =>
  ['ds,y', ...values.map((value, i) => `2024-${String(i + 1).padStart(2, '0')},${value}`)].join('\n')

describe('readSeries', () => {
  it('reads a long table with ids, rows in any order', async () => {
    const { frame, report } = await read(
      'unique_id,ds,y\nb,2024-01-02,5\na,2024-01-01,1\nb,2024-01-01,4\na,2024-01-02,2\na,2024-01-03,3\nb,2024-01-03,6\n',
    )
    expect(frame.series.map(({ id, values }) => [id, [...values]])).toEqual([
      ['b', [4, 5, 6]],
      ['a', [1, 2, 3]],
    ])
    expect(frequencyText(frame.frequency)).toBe('day')
    expect(report).toMatchObject({ rows: 6, detected: true, reordered: 1, missing: {} })
  })

  it('reads a wide table, a column a series', async () => {
    const { frame } = await read('date;north;south\n2024Q1;1;4\n2024Q2;2;5\n2024Q3;3;6\n')
    expect(frame.series.map(({ id, values }) => [id, [...values]])).toEqual([
      ['north', [1, 2, 3]],
      ['south', [4, 5, 6]],
    ])
    expect(frequencyText(frame.frequency)).toBe('quarter')
  })

  it.each([
    ['01/02/2024\n01/03/2024\n01/04/2024', /read as .* and as/],
    ['2024-01-01\n2024-01-02\n3.1.2024', /stamp 3 is '3.1.2024'/],
    ['yesterday\ntoday\ntomorrow', /'yesterday' is no date/],
    ['2024-01-01\n2024-01-02\n2024-01-02', /twice: line 3 and line 4/],
    ['2024-01-01\n2024-01-02\n2024-01-03\n2024-01-04T07:00\n2024-01-05', /no whole number of steps/],
  ])('refuses stamps %j', async (stamps, message) => {
    await expect(
      read(
        `ds,y\n${stamps
          .split('\n')
          .map((stamp) => `${stamp},1`)
          .join('\n')}`,
      ),
    ).rejects.toThrow(message)
  })

  it('reads days before months when one is above 12, or when told', async () => {
    const told = await read('ds,y\n13/02/2024,1\n14/02/2024,2\n15/02/2024,3')
    expect(stampAt(told.frame, told.frame.series[0]!, 0)).toBe(Date.UTC(2024, 1, 13))
    const named = await read('ds,y\n01/02/2024,1\n01/03/2024,2\n01/04/2024,3', { stampFormat: 'dd/MM/yyyy' })
    expect(frequencyText(named.frame.frequency)).toBe('month')
  })

  it.each([
    ['a word', 'twelve', /line 3, column 'y': 'twelve'/],
    ['infinity', 'Infinity', /finite number/],
    ['a decimal comma', '"1,5"', /decimal points/],
  ])('refuses %s in a cell', async (_, cell, message) => {
    await expect(read(monthly(1, cell, 3))).rejects.toThrow(message)
  })

  it.each([
    ['forward', [1, 1, 1, 4]],
    ['linear', [1, 2, 3, 4]],
    ['zero', [1, 0, 0, 4]],
    ['keep', [1, Number.NaN, Number.NaN, 4]],
  ] as const)('fills gaps by %s, cells and rows alike, only when asked', async (fill, values) => {
    const text = 'ds,y\n2024-01,1\n2024-02,\n2024-04,4\n2024-05,5\n2024-06,6'
    await expect(read(text)).rejects.toThrow(/lacks 2 of 6 values, the first line 3/)
    const { frame, report } = await read(text, { fill })
    expect([...frame.series[0]!.values].slice(0, 4)).toEqual(values)
    expect(report.missing).toEqual({ y: 2 })
  })

  it('draws no line to nowhere, and carries nothing from nowhere', async () => {
    await expect(read('ds,y\n2024-01,1\n2024-02,2\n2024-03,', { fill: 'linear' })).rejects.toThrow(/ends with missing values/)
    await expect(read('ds,y\n2024-01,\n2024-02,2\n2024-03,3', { fill: 'forward' })).rejects.toThrow(/begins with missing values/)
  })

  it('names steps as they are, also those of whole thousands', async () => {
    const { frame } = await read('t,y\n999,1\n1000,2\n1001,3', { time: 't' })
    expect(stampText(stampAt(frame, frame.series[0]!, 1), frame)).toBe('1000')
  })

  it('keeps future covariates beyond the last value', async () => {
    const { frame, report } = await read('ds,y,price\n2024-01,1,10\n2024-02,2,11\n2024-03,3,12\n2024-04,,13\n2024-05,,14', {
      future: ['price'],
    })
    expect([...frame.series[0]!.values]).toEqual([1, 2, 3])
    expect([...frame.series[0]!.future.price!]).toEqual([10, 11, 12, 13, 14])
    expect(report.futureRows).toBe(2)
  })

  it('refuses two frequencies, columns that are not there, ragged rows and files of nothing', async () => {
    const days = ['2024-01-01', '2024-01-02', '2024-01-03'].map((day) => `a,${day},1`)
    const months = ['2024-01-01', '2024-02-01', '2024-03-01', '2024-04-01'].map((day) => `b,${day},1`)
    await expect(read(['unique_id,ds,y', ...days, ...months].join('\n'))).rejects.toThrow(/one frequency/)
    await expect(read(monthly(1, 2, 3), { target: 'sales' })).rejects.toThrow(/no column 'sales'.*ds, y/)
    await expect(read('ds,y\n2024-01,1,2\n')).rejects.toThrow(/as many cells/)
    await expect(read('')).rejects.toThrow(/is empty/)
    await expect(read('ds,y\n')).rejects.toThrow(/no rows/)
  })

  it('says that clocks were changed where two stamps are one instant', async () => {
    const stamps = ['00:00', '01:00', '02:00', '03:00', '04:00'].map((time) => `2024-03-31 ${time},1`)
    await expect(read(['ds,y', ...stamps].join('\n'), { zone: 'Europe/Berlin' })).rejects.toThrow(
      /clocks of Europe\/Berlin are changed/,
    )
  })

  it('reads JSON, lines of JSON, and lists of objects alike', async () => {
    const rows = [1, 2, 3].map((y) => ({ ds: `2024-0${y}`, y }))
    const values = async (given: Awaited<ReturnType<typeof readSeries>>) => [...given.frame.series[0]!.values]
    expect(await values(await read(JSON.stringify(rows), {}, 'data.json'))).toEqual([1, 2, 3])
    expect(await values(await read(rows.map((row) => JSON.stringify(row)).join('\n'), {}, 'data.jsonl'))).toEqual([1, 2, 3])
    expect(await values(await readSeries(rows))).toEqual([1, 2, 3])
  })
})
