import { DateTime } from 'luxon'
import { OptionError } from '../../base/errors.ts'

const fixed = { second: 1000, minute: 60_000, hour: 3_600_000 } as const

export type FrequencyUnit = keyof typeof fixed | 'day' | 'businessDay' | 'week' | 'month' | 'quarter' | 'year' | 'step'

/**
 * The distance between neighbouring values. Seconds to hours are lengths of time; days to years are steps of the calendar of a time zone, so
 * that a day may have 23 hours. `step`: stamps are numbers, not times.
 */
export interface Frequency {
  readonly unit: FrequencyUnit
  /** Units a step: 15 for "15 minutes". */
  readonly every: number
  /** Stamps are the last days of months, quarters or years. */
  readonly monthEnd?: true
}

const months = { month: 1, quarter: 3, year: 12 } as const

/** What pandas calls them. */
const aliases: Readonly<Record<string, Omit<Frequency, 'every'>>> = {
  s: { unit: 'second' },
  min: { unit: 'minute' },
  h: { unit: 'hour' },
  d: { unit: 'day' },
  b: { unit: 'businessDay' },
  w: { unit: 'week' },
  ms: { unit: 'month' },
  me: { unit: 'month', monthEnd: true },
  qs: { unit: 'quarter' },
  qe: { unit: 'quarter', monthEnd: true },
  ys: { unit: 'year' },
  ye: { unit: 'year', monthEnd: true },
}

const units: readonly FrequencyUnit[] = ['second', 'minute', 'hour', 'day', 'businessDay', 'week', 'month', 'quarter', 'year', 'step']

/**
 * A frequency in words: "hour", "15 minutes", "month", "business day", or as pandas has it: "h", "15min", "MS".
 * Throws OptionError on any other text.
 * @example
 * frequencyOf('15 minutes') // { unit: 'minute', every: 15 }
 */
export function frequencyOf(text: string): Frequency {
  const [, count = '1', word = ''] = /^\s*(\d{1,6})?\s*([a-z ]+?)\s*$/i.exec(text) ?? []
  const every = Number(count || '1')
  const name = word.replaceAll(' ', '').toLowerCase()
  const unit = units.find((each) => each.toLowerCase() === name || `${each.toLowerCase()}s` === name)
  const alias = Object.hasOwn(aliases, name) ? aliases[name] : undefined
  if (every < 1 || (unit ?? alias) === undefined)
    throw new OptionError(`frequency '${text}'`, { expected: `such as hour, 15 minutes, day, business day, week, month, quarter or year` })
  return unit === undefined ? { ...alias!, every } : { unit, every }
}

/** A frequency in words, for people. */
export function frequencyText({ unit, every, monthEnd }: Frequency): string {
  const name = unit === 'businessDay' ? 'business day' : unit
  const end = monthEnd === true ? ' (month ends)' : ''
  return (every === 1 ? name : `${every} ${name}s`) + end
}

/** The stamp `steps` steps after another, in milliseconds since 1970 (or in numbers, for `step`). */
export function stampAfter({ unit, every, monthEnd }: Frequency, zone: string, stamp: number, steps: number): number {
  const count = every * steps
  if (unit === 'step') return stamp + count
  if (unit in fixed) return stamp + count * fixed[unit as keyof typeof fixed]
  const time = DateTime.fromMillis(stamp, { zone })
  if (unit === 'businessDay') return businessDaysAfter(time, count).toMillis()
  if (unit === 'day') return time.plus({ days: count }).toMillis()
  if (unit === 'week') return time.plus({ weeks: count }).toMillis()
  const moved = time.plus({ months: count * months[unit as keyof typeof months] })
  return (monthEnd === true ? moved.set({ day: moved.daysInMonth! }) : moved).toMillis()
}

/** Whole weeks at once, the rest day by day. A weekend counts as the Friday before it. */
function businessDaysAfter(time: DateTime, count: number): DateTime {
  let at = time.plus({ weeks: Math.trunc(count / 5) })
  const direction = Math.sign(count)
  for (let left = Math.abs(count % 5); left > 0; ) {
    at = at.plus({ days: direction })
    if (at.weekday <= 5) left--
  }
  return at
}

/** How many steps lie between two stamps, rounded to whole ones; `exact` tells whether that many steps lead from the one to the other. */
export function stepsBetween(frequency: Frequency, zone: string, from: number, to: number): { steps: number; exact: boolean } {
  const steps = Math.round(distance(frequency, zone, from, to) / frequency.every)
  return { steps, exact: stampAfter(frequency, zone, from, steps) === to }
}

/** In units, about. */
function distance({ unit }: Frequency, zone: string, from: number, to: number): number {
  if (unit === 'step') return to - from
  if (unit in fixed) return (to - from) / fixed[unit as keyof typeof fixed]
  const [start, end] = [DateTime.fromMillis(from, { zone }), DateTime.fromMillis(to, { zone })]
  if (unit === 'day' || unit === 'week') return end.diff(start, `${unit}s`).get(`${unit}s`)
  if (unit === 'businessDay') return businessDays(start, end)
  const apart = 12 * (end.year - start.year) + end.month - start.month
  return apart / months[unit as keyof typeof months]
}

function businessDays(start: DateTime, end: DateTime): number {
  const days = Math.round(end.diff(start, 'days').days)
  const weeks = Math.trunc(days / 7)
  let rest = 0
  let at = start.plus({ weeks })
  const direction = Math.sign(days)
  for (let left = Math.abs(days % 7); left > 0; left--) {
    at = at.plus({ days: direction })
    if (at.weekday <= 5) rest += direction
  }
  return 5 * weeks + rest
}

/** Steps of the season that data of a frequency mostly has: a day of hours, a week of days, a year of months; 1 where there is none. */
export function seasonOf({ unit, every }: Frequency): number {
  const seasons: Readonly<Record<FrequencyUnit, number>> = {
    second: 60,
    minute: 60,
    hour: 24,
    day: 7,
    businessDay: 5,
    week: 52,
    month: 12,
    quarter: 4,
    year: 1,
    step: 1,
  }
  // A quarter of an hour has the season of a day.
  if (unit === 'minute' && every > 1) return (24 * 60) / every
  return Math.max(1, Math.floor(seasons[unit] / every))
}
