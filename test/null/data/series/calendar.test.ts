import { describe, expect, it } from 'vitest'
import { calendarFeatureNames, calendarFeatures, type Frequency } from '../../../../src/data/index.ts'

/** Features of stamps by name, scaled back to what people count. */
function featuresOf(frequency: Frequency, zone: string, start: number, count: number): Record<string, number>[] {
  const names = calendarFeatureNames(frequency)
  const values = calendarFeatures({ frequency, zone }, start, 0, count)
  expect(values.length).toBe(count * names.length)
  const sizes: Readonly<Record<string, readonly [number, number]>> = {
    second: [59, 0],
    minute: [59, 0],
    hour: [23, 0],
    weekday: [6, 0],
    'day of the month': [30, 1],
    'day of the year': [365, 1],
    week: [52, 1],
    month: [11, 1],
  }
  return Array.from({ length: count }, (_, row) =>
    Object.fromEntries(
      names.map((name, i) => {
        const [size, first] = sizes[name]!
        const scaled = values[row * names.length + i]!
        expect(Math.abs(scaled)).toBeLessThanOrEqual(0.5)
        const counted = (scaled + 0.5) * size + first
        expect(Math.abs(counted - Math.round(counted))).toBeLessThan(1e-4)
        return [name, Math.round(counted)]
      }),
    ),
  )
}

const every = (unit: Frequency['unit'], count = 1): Frequency => ({ unit, every: count })

/** Midnight in UTC; months from 1. */
const day = (year: number, month: number, date: number, hour = 0) => Date.UTC(year, month - 1, date, hour)

describe('days', () => {
  it.each([
    // Monday is 0.
    [2024, 2, 29, 3, 60],
    [2024, 3, 1, 4, 61],
    [2023, 3, 1, 2, 60],
    [2023, 12, 31, 6, 365],
    [2024, 12, 31, 1, 366],
    [2000, 12, 31, 6, 366],
    [1900, 3, 1, 3, 60],
    [1969, 12, 31, 2, 365],
    [1970, 1, 1, 3, 1],
    [1582, 10, 15, 4, 288],
  ])('%d-%d-%d is weekday %d and day %d of the year', (year, month, date, weekday, yearDay) => {
    expect(featuresOf(every('day'), 'UTC', day(year, month, date), 1)).toEqual([
      { weekday, 'day of the month': date, 'day of the year': yearDay },
    ])
  })

  it('begin at −½ and end at ½', () => {
    const [first] = [calendarFeatures({ frequency: every('day'), zone: 'UTC' }, day(2024, 1, 1), 0, 1)]
    expect([...first]).toEqual([-0.5, -0.5, -0.5])
    // A Tuesday; the last day of a leap year.
    expect([...calendarFeatures({ frequency: every('day'), zone: 'UTC' }, day(2024, 12, 31), 0, 1)].slice(1)).toEqual([0.5, 0.5])
  })

  it('of business pass over weekends', () => {
    const rows = featuresOf(every('businessDay'), 'UTC', day(2024, 2, 29), 4)
    expect(rows.map(({ weekday }) => weekday)).toEqual([3, 4, 0, 1])
    expect(rows.map((row) => row['day of the month'])).toEqual([29, 1, 4, 5])
  })
})

describe('weeks of ISO 8601', () => {
  it.each([
    [2024, 2, 29, 9],
    [2020, 12, 31, 53],
    [2021, 1, 3, 53],
    [2021, 1, 4, 1],
    [2024, 12, 30, 1],
    [2024, 12, 29, 52],
    [2016, 1, 1, 53],
    [2012, 1, 1, 52],
    [2015, 12, 31, 53],
    [1969, 12, 29, 1],
    [1960, 1, 1, 53],
  ])('%d-%d-%d is in week %d', (year, month, date, week) => {
    expect(featuresOf(every('week'), 'UTC', day(year, month, date), 1)).toEqual([{ 'day of the month': date, week }])
  })
})

describe('hours', () => {
  it('are those of the clocks of the zone, where they are put forward', () => {
    // At 01:00 UTC of 2024-03-31, 02:00 in Berlin, clocks go to 03:00.
    const rows = featuresOf(every('hour'), 'Europe/Berlin', day(2024, 3, 30, 23), 4)
    expect(rows.map(({ hour }) => hour)).toEqual([0, 1, 3, 4])
    expect(rows.map(({ weekday }) => weekday)).toEqual([6, 6, 6, 6])
  })

  it('come twice where clocks are put back', () => {
    const rows = featuresOf(every('hour'), 'Europe/Berlin', day(2024, 10, 26, 23), 5)
    expect(rows.map(({ hour }) => hour)).toEqual([1, 2, 2, 3, 4])
  })

  it('belong to the local day', () => {
    const [row] = featuresOf(every('hour'), 'Asia/Tokyo', day(2023, 12, 31, 15), 1)
    expect(row).toEqual({ hour: 0, weekday: 0, 'day of the month': 1, 'day of the year': 1 })
  })

  it('days keep their beginning over a change of clocks', () => {
    const rows = featuresOf(every('day'), 'Europe/Berlin', day(2024, 3, 29, 23), 3)
    expect(rows.map((row) => row['day of the month'])).toEqual([30, 31, 1])
  })

  it('minutes and seconds count inside them', () => {
    const rows = featuresOf(every('minute', 15), 'UTC', day(2024, 2, 29, 23), 5)
    expect(rows.map(({ hour, minute }) => [hour, minute])).toEqual([
      [23, 0],
      [23, 15],
      [23, 30],
      [23, 45],
      [0, 0],
    ])
    expect(featuresOf(every('second', 30), 'UTC', day(2024, 2, 29, 23), 3).map(({ minute, second }) => [minute, second])).toEqual([
      [0, 0],
      [0, 30],
      [1, 0],
    ])
    // A zone whose clocks differ by half an hour.
    expect(featuresOf(every('minute', 30), 'Asia/Kolkata', day(2024, 1, 1), 1)[0]).toMatchObject({ hour: 5, minute: 30 })
  })
})

describe('months, quarters, years and steps', () => {
  it('months of ends of months', () => {
    const ends: Frequency = { unit: 'month', every: 1, monthEnd: true }
    expect(featuresOf(ends, 'UTC', day(2023, 11, 30), 5).map(({ month }) => month)).toEqual([11, 12, 1, 2, 3])
    expect(featuresOf(every('month'), 'UTC', day(1969, 11, 1), 3).map(({ month }) => month)).toEqual([11, 12, 1])
    expect(featuresOf({ unit: 'quarter', every: 1, monthEnd: true }, 'UTC', day(2023, 9, 30), 3).map(({ month }) => month)).toEqual(
      [9, 12, 3],
    )
  })

  it('years and steps have none', () => {
    for (const unit of ['year', 'step'] as const)
      expect(calendarFeatures({ frequency: every(unit), zone: 'UTC' }, 0, 0, 9).length).toBe(0)
  })

  it('counts from any step on', () => {
    const frame = { frequency: every('hour'), zone: 'Europe/Berlin' }
    const all = calendarFeatures(frame, day(2024, 3, 30), 0, 60)
    const names = calendarFeatureNames(frame.frequency).length
    expect(calendarFeatures(frame, day(2024, 3, 30), 20, 40)).toEqual(all.slice(20 * names))
  })
})
