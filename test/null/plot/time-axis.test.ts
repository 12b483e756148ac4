import { expect, test } from 'vitest'
import { ticksBetween } from '../../../src/plot/time-axis.ts'

const berlin = { frequency: { unit: 'hour', every: 1 }, zone: 'Europe/Berlin' } as const

test('ticks of days are midnights of the zone, though one day has 23 hours', () => {
  const ticks = ticksBetween(Date.parse('2024-03-29T23:00Z'), Date.parse('2024-04-02T10:00Z'), 4, berlin)
  expect(ticks.values.map((value) => new Date(value).toISOString())).toEqual([
    '2024-03-29T23:00:00.000Z',
    '2024-03-30T23:00:00.000Z',
    '2024-03-31T22:00:00.000Z',
    '2024-04-01T22:00:00.000Z',
  ])
  expect(ticks.labels).toEqual([['Mar 30', '2024'], ['Mar 31'], ['Apr 1'], ['Apr 2']])
})

test('hours say their day where it changes', () => {
  const { labels } = ticksBetween(Date.parse('2024-01-01T17:00Z'), Date.parse('2024-01-02T05:00Z'), 4, berlin)
  expect(labels).toEqual([['18:00', '2024-01-01'], ['21:00'], ['00:00', '2024-01-02'], ['03:00'], ['06:00']])
})

test.each([
  ['seconds', '2024-01-01T00:00:00Z', '2024-01-01T00:01:00Z', ['01:00:00', '01:00:15', '01:00:30', '01:00:45', '01:01:00']],
  ['months', '2024-01-31T23:00Z', '2024-05-31T22:00Z', ['Feb', 'Mar', 'Apr', 'May', 'Jun']],
  ['years', '1999-12-31T23:00Z', '2003-12-31T23:00Z', ['2000', '2001', '2002', '2003', '2004']],
  ['one stamp', '2024-02-29T12:00Z', '2024-02-29T12:00Z', ['2024-02-29']],
])('%s', (_, from, to, expected) => {
  expect(ticksBetween(Date.parse(from), Date.parse(to), 4, berlin).labels.map(([fine]) => fine)).toEqual(expected)
})

test('steps are whole numbers', () => {
  const steps = { frequency: { unit: 'step', every: 1 }, zone: 'UTC' } as const
  expect(ticksBetween(3, 5, 8, steps).values).toEqual([3, 4, 5])
})
