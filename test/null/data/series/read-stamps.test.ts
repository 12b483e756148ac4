import fc from 'fast-check'
import { expect, it } from 'vitest'
import { anyIso, plainIso } from '../../../../src/data/series/read-stamps.ts'

const two = (most: number) => fc.integer({ min: 0, max: most }).map((value) => String(value).padStart(2, '0'))

/** Mostly dates, some of which do not exist. */
const texts = fc
  .record({
    year: fc
      .oneof(fc.integer({ min: 1890, max: 2110 }), fc.integer({ min: 0, max: 9999 }))
      .map((value) => String(value).padStart(4, '0')),
    month: two(13),
    date: two(32),
    clock: fc.option(
      fc.record({
        mark: fc.constantFrom(' ', 'T', '  ', 't'),
        hour: two(25),
        minute: two(61),
        second: fc.option(two(61)),
        fraction: fc.option(fc.stringMatching(/^[.,]\d{1,5}$/)),
        offset: fc.option(
          fc.oneof(fc.constantFrom('Z', 'z', '+02:00', '-05:30', '+0200', '+02', '-00:00'), fc.stringMatching(/^[+-]\d\d:\d\d$/)),
        ),
      }),
    ),
  })
  .map(({ year, month, date, clock }) => {
    const day = `${year}-${month}-${date}`
    if (clock === null) return day
    const { mark, hour, minute, second, fraction, offset } = clock
    return `${day}${mark}${hour}:${minute}${second === null ? '' : `:${second}${fraction ?? ''}`}${offset ?? ''}`
  })

it('the short way through ISO 8601 goes where the long one goes', () => {
  fc.assert(
    fc.property(texts, fc.constantFrom('UTC', 'Europe/Berlin', 'America/New_York'), (text, zone) => {
      const short = plainIso(text, zone)
      if (short !== undefined) expect(short, text).toBe(anyIso(text, zone))
    }),
    { numRuns: 3000 },
  )
})

it('the usual forms take the short way', () => {
  const noon = Date.UTC(2024, 1, 29, 12)
  expect(plainIso('2024-02-29', 'UTC')).toBe(Date.UTC(2024, 1, 29))
  for (const text of ['2024-02-29 12:00', '2024-02-29T12:00:00', '2024-02-29T12:00:00.000Z', '2024-02-29T14:00+02:00'])
    expect(plainIso(text, 'UTC')).toBe(noon)
  expect(plainIso('2024-02-29T14:00+02:00', 'Europe/Berlin')).toBe(noon)
  for (const text of [
    '2024-02-30',
    '2023-02-29',
    '2024-13-01',
    '2024-00-10',
    '2024-01-00',
    '2024-01-01 24:00',
    '2024-1-1',
    '20240101',
  ])
    expect(plainIso(text, 'UTC')).toBeUndefined()
  expect(plainIso('2024-02-29', 'Europe/Berlin')).toBeUndefined()
})
