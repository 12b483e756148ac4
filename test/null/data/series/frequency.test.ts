import fc from 'fast-check'
import { DateTime } from 'luxon'
import { describe, expect, it } from 'vitest'
import { detectFrequency } from '../../../../src/data/series/detect-frequency.ts'
import { type FrequencyUnit, frequencyOf, frequencyText, gridOf, stampAfter } from '../../../../src/data/series/frequency.ts'

const at = (text: string, zone = 'UTC') => DateTime.fromISO(text, { zone }).toMillis()

describe('frequencies in words', () => {
  it.each([
    ['hour', { unit: 'hour', every: 1 }],
    ['15 minutes', { unit: 'minute', every: 15 }],
    ['15min', { unit: 'minute', every: 15 }],
    ['MS', { unit: 'month', every: 1 }],
    ['ME', { unit: 'month', monthEnd: true, every: 1 }],
    ['business day', { unit: 'businessDay', every: 1 }],
    ['2 weeks', { unit: 'week', every: 2 }],
  ])('%s', (text, frequency) => {
    expect(frequencyOf(text)).toEqual(frequency)
  })

  it.each(['', 'fortnight', '0 days', '-1 hours', '1.5 hours'])('refuses %j', (text) => {
    expect(() => frequencyOf(text)).toThrow(/frequency/)
  })
})

describe('steps of the calendar', () => {
  it('keep the last days of months', () => {
    expect(stampAfter({ unit: 'month', every: 1, monthEnd: true }, 'UTC', at('2024-01-31'), 1)).toBe(at('2024-02-29'))
    expect(stampAfter({ unit: 'month', every: 1, monthEnd: true }, 'UTC', at('2024-02-29'), 1)).toBe(at('2024-03-31'))
  })

  it('pass weekends over', () => {
    expect(stampAfter({ unit: 'businessDay', every: 1 }, 'UTC', at('2024-05-03'), 1)).toBe(at('2024-05-06'))
    expect(stampAfter({ unit: 'businessDay', every: 1 }, 'UTC', at('2024-05-06'), -1)).toBe(at('2024-05-03'))
  })

  it('keep the time of day when clocks change, and hours their length', () => {
    const zone = 'Europe/Berlin'
    expect(stampAfter({ unit: 'day', every: 1 }, zone, at('2024-03-30T12:00', zone), 1)).toBe(at('2024-03-31T12:00', zone))
    expect(at('2024-03-31T12:00', zone) - at('2024-03-30T12:00', zone)).toBe(23 * 3_600_000)
    expect(stampAfter({ unit: 'hour', every: 1 }, zone, at('2024-03-31T01:00', zone), 1)).toBe(at('2024-03-31T03:00', zone))
  })

  it('agree with Luxon, in every zone and unit', () => {
    const units = ['day', 'week', 'month', 'quarter', 'year'] as const satisfies readonly FrequencyUnit[]
    const zones = ['UTC', 'Europe/Berlin', 'America/New_York', 'Australia/Lord_Howe', 'Asia/Kathmandu']
    fc.assert(
      fc.property(
        fc.constantFrom(...units),
        fc.constantFrom(...zones),
        fc.integer({ min: -2_000_000_000, max: 4_000_000_000 }),
        fc.integer({ min: -200, max: 200 }),
        (unit, zone, seconds, steps) => {
          const stamp = seconds * 1000
          const wanted = DateTime.fromMillis(stamp, { zone }).plus({ [`${unit}s`]: steps })
          const got = DateTime.fromMillis(stampAfter({ unit, every: 1 }, zone, stamp, steps), { zone })
          // Where a time does not exist or comes twice, both may choose; the day is the same.
          expect(got.toISODate()).toBe(wanted.toISODate())
          if (got.toFormat('HH:mm') === wanted.toFormat('HH:mm'))
            expect(Math.abs(got.toMillis() - wanted.toMillis())).toBeLessThanOrEqual(3_600_000)
        },
      ),
    )
  })

  it('are counted as they were taken', () => {
    const units = ['second', 'minute', 'hour', 'day', 'week', 'businessDay', 'month', 'quarter', 'year', 'step'] as const
    fc.assert(
      fc.property(
        fc.constantFrom(...units),
        fc.integer({ min: 1, max: 9 }),
        fc.integer({ min: -300, max: 300 }),
        (unit, every, steps) => {
          const grid = gridOf({ unit, every }, 'UTC')
          const start = at('2023-05-01T06:30')
          expect(grid.between(start, grid.after(start, steps))).toEqual({ steps: steps + 0, exact: true })
        },
      ),
    )
  })
})

describe('what stamps say', () => {
  it.each([
    ['hour', 'UTC', '2024-01-01T05:00'],
    ['day', 'Europe/Berlin', '2024-03-20'],
    ['business day', 'UTC', '2024-01-01'],
    ['week', 'UTC', '2024-01-03'],
    ['month', 'America/New_York', '2024-01-01'],
    ['ME', 'UTC', '2023-01-31'],
    ['quarter', 'UTC', '2020-01-01'],
    ['year', 'UTC', '1949-01-01'],
    ['30 minutes', 'UTC', '2024-01-01'],
    ['2 months', 'UTC', '2024-01-01'],
  ])('%s in %s', (text, zone, start) => {
    const frequency = frequencyOf(text)
    const stamps = Array.from({ length: 40 }, (_, i) => stampAfter(frequency, zone, at(start, zone), i))
    expect(detectFrequency(stamps, zone)).toEqual({ frequency, irregular: [], gaps: [] })
  })

  it('names gaps and what is off the grid', () => {
    const days = [1, 2, 3, 6, 7, 8, 9].map((day) => at(`2024-01-0${day}`))
    expect(detectFrequency(days, 'UTC').gaps).toEqual([{ after: at('2024-01-03'), missing: 2 }])
    const months = ['2024-01-01', '2024-02-01', '2024-03-01', '2024-04-02', '2024-05-01', '2024-06-01'].map((text) => at(text))
    const { frequency, irregular } = detectFrequency(months, 'UTC')
    expect(frequencyText(frequency)).toBe('month')
    expect(irregular.map(({ index }) => index)).toEqual([3, 4])
  })

  it('is nothing with two of them', () => {
    expect(() => detectFrequency([0, 1000], 'UTC')).toThrow(/name the frequency/)
  })
})
