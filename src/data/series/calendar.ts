import { type Frequency, type FrequencyUnit, stampAfter } from './frequency.ts'
import { clockOf, daysIn, splitDay, splitMonth, weekdayOf } from './local-time.ts'

/** A moment of local time. */
interface Moment {
  /** Days since 1970-01-01. */
  readonly day: number
  /** Milliseconds since midnight. */
  readonly clock: number
}

/** Where in its cycle a moment stands, −½ at the beginning and ½ at the end. Zhou et al. 2021 (Informer), appendix B; GluonTS. */
const features = {
  second: ({ clock }: Moment) => (Math.floor(clock / 1000) % 60) / 59 - 0.5,
  minute: ({ clock }: Moment) => (Math.floor(clock / 60_000) % 60) / 59 - 0.5,
  hour: ({ clock }: Moment) => Math.floor(clock / 3_600_000) / 23 - 0.5,
  weekday: ({ day }: Moment) => weekdayOf(day) / 6 - 0.5,
  'day of the month': ({ day }: Moment) => (splitMonth(day).date - 1) / 30 - 0.5,
  'day of the year': ({ day }: Moment) => (yearDay(day) - 1) / 365 - 0.5,
  week: ({ day }: Moment) => (isoWeek(day) - 1) / 52 - 0.5,
  month: ({ day }: Moment) => (((splitMonth(day).month % 12) + 12) % 12) / 11 - 0.5,
} as const

type Feature = keyof typeof features

const ofDays: readonly Feature[] = ['weekday', 'day of the month', 'day of the year']

/** Cycles that are longer than a step. */
const featuresOf: Readonly<Record<FrequencyUnit, readonly Feature[]>> = {
  second: ['second', 'minute', 'hour', ...ofDays],
  minute: ['minute', 'hour', ...ofDays],
  hour: ['hour', ...ofDays],
  day: ofDays,
  businessDay: ofDays,
  week: ['day of the month', 'week'],
  month: ['month'],
  quarter: ['month'],
  year: [],
  step: [],
}

/** Names of the features that stamps of a frequency have. */
export function calendarFeatureNames({ unit }: Frequency): readonly string[] {
  return featuresOf[unit]
}

/**
 * Where stamps stand in the cycles of the calendar of a zone, each from −½ to ½: `[count, feature]` for the stamps `from` to `from + count` steps after
 * `start`. Nothing for frequencies without cycles: years and plain steps.
 * @example
 * calendarFeatures({ frequency: frequencyOf('hour'), zone: 'UTC' }, Date.UTC(2024, 0, 1), 0, 24)
 */
export function calendarFeatures(
  { frequency, zone }: { readonly frequency: Frequency; readonly zone: string },
  start: number,
  from: number,
  count: number,
): Float32Array {
  const rules = featuresOf[frequency.unit].map((name) => features[name])
  const values = new Float32Array(count * rules.length)
  if (rules.length === 0) return values
  const clock = clockOf(zone)
  for (let i = 0; i < count; i++) {
    const moment = splitDay(clock.toLocal(stampAfter(frequency, zone, start, from + i)))
    for (const [feature, rule] of rules.entries()) values[i * rules.length + feature] = rule(moment)
  }
  return values
}

/** From 1. */
function yearDay(day: number): number {
  const { month, date } = splitMonth(day)
  let total = date
  for (let earlier = month - (((month % 12) + 12) % 12); earlier < month; earlier++) total += daysIn(earlier)
  return total
}

/** Weeks begin on Mondays; the first one of a year has its first Thursday. ISO 8601. */
function isoWeek(day: number): number {
  return Math.floor((yearDay(day - weekdayOf(day) + 3) - 1) / 7) + 1
}
