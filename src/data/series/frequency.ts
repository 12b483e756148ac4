import { OptionError } from '../../base/errors.ts'
import { type Clock, clockOf, dayLength, dayOfMonth, splitDay, splitMonth, weekdayOf } from './local-time.ts'

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

/** All of them. */
export const frequencyUnits = [
  'second',
  'minute',
  'hour',
  'day',
  'businessDay',
  'week',
  'month',
  'quarter',
  'year',
  'step',
] as const satisfies readonly FrequencyUnit[]

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
  const unit = frequencyUnits.find((each) => each.toLowerCase() === name || `${each.toLowerCase()}s` === name)
  const alias = Object.hasOwn(aliases, name) ? aliases[name] : undefined
  if (every < 1 || (unit ?? alias) === undefined)
    throw new OptionError(`frequency '${text}'`, {
      expected: `such as hour, 15 minutes, day, business day, week, month, quarter or year`,
    })
  return unit === undefined ? { ...alias!, every } : { unit, every }
}

/** A frequency in words, for people. */
export function frequencyText({ unit, every, monthEnd }: Frequency): string {
  const name = unit === 'businessDay' ? 'business day' : unit
  const end = monthEnd === true ? ' (month ends)' : ''
  return (every === 1 ? name : `${every} ${name}s`) + end
}

/** The stamp `steps` steps after another, in milliseconds since 1970 (or in numbers, for `step`). */
export function stampAfter(frequency: Frequency, zone: string, stamp: number, steps: number): number {
  return gridOf(frequency, zone).after(stamp, steps)
}

/** A frequency in a time zone. */
export interface Grid {
  after(stamp: number, steps: number): number
  /** Whole steps between two stamps, the nearest number; `exact` tells whether that many lead from the one to the other. */
  between(from: number, to: number): { readonly steps: number; readonly exact: boolean }
}

export function gridOf({ unit, every, monthEnd }: Frequency, zone: string): Grid {
  const clock = clockOf(zone)
  const move = moved(unit, monthEnd === true)
  const after = (stamp: number, steps: number) =>
    move === undefined ? stamp + steps * every * lengthOf(unit) : moveLocal(clock, stamp, (day) => move.after(day, steps * every))
  return {
    after,
    between(from, to) {
      const units = move === undefined ? (to - from) / lengthOf(unit) : move.between(dayOf(clock, from), dayOf(clock, to))
      const steps = Math.round(units / every)
      return { steps, exact: after(from, steps) === to }
    },
  }
}

function lengthOf(unit: FrequencyUnit): number {
  return unit in fixed ? fixed[unit as keyof typeof fixed] : 1
}

function dayOf(clock: Clock, stamp: number): number {
  return splitDay(clock.toLocal(stamp)).day
}

/** The same time of day on another day. */
function moveLocal(clock: Clock, stamp: number, move: (day: number) => number): number {
  const local = clock.toLocal(stamp)
  const { day } = splitDay(local)
  return clock.fromLocal(local + (move(day) - day) * dayLength)
}

/** Steps of the calendar on days since 1970; distances are in units. */
interface CalendarMove {
  after(day: number, count: number): number
  between(from: number, to: number): number
}

function moved(unit: FrequencyUnit, monthEnd: boolean): CalendarMove | undefined {
  if (unit === 'day') return { after: (day, count) => day + count, between: (from, to) => to - from }
  if (unit === 'week') return { after: (day, count) => day + 7 * count, between: (from, to) => (to - from) / 7 }
  if (unit === 'businessDay')
    return {
      after: (day, count) => fromWorkingDay(workingDay(day) + count),
      between: (from, to) => workingDay(to) - workingDay(from),
    }
  if (!(unit in months)) return undefined
  const size = months[unit as keyof typeof months]
  return {
    after(day, count) {
      const { month, date } = splitMonth(day)
      return dayOfMonth(month + count * size, monthEnd ? 31 : date)
    },
    between: (from, to) => (splitMonth(to).month - splitMonth(from).month) / size,
  }
}

/** Working days since Monday 1970-01-05; a weekend counts as the Friday before it. */
function workingDay(day: number): number {
  const monday = day - weekdayOf(day)
  return (5 * (monday - 4)) / 7 + Math.min(weekdayOf(day), 4)
}

function fromWorkingDay(count: number): number {
  const week = Math.floor(count / 5)
  return 4 + 7 * week + (count - 5 * week)
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
