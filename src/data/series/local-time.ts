import { IANAZone } from 'luxon'

const minute = 60_000
export const dayLength = 86_400_000

/** Clocks of a time zone, as numbers: local milliseconds count as if the zone were UTC. */
export interface Clock {
  toLocal(stamp: number): number
  /** Where clocks are put forward past a time, the time as much later; where a time comes twice, the first of them. */
  fromLocal(local: number): number
}

const utc: Clock = { toLocal: (stamp) => stamp, fromLocal: (local) => local }

/** The clocks of an IANA zone. */
export function clockOf(zone: string): Clock {
  if (zone === 'UTC') return utc
  const offsets = IANAZone.create(zone)
  const toLocal = (stamp: number) => stamp + offsets.offset(stamp) * minute
  return {
    toLocal,
    fromLocal(local) {
      // The offsets a day before and after are the two that may hold; the larger one comes first.
      const [before, after] = [offsets.offset(local - dayLength), offsets.offset(local + dayLength)]
      const candidates = [Math.max(before, after), Math.min(before, after)].map((offset) => local - offset * minute)
      return candidates.find((stamp) => toLocal(stamp) === local) ?? local - before * minute
    },
  }
}

/** Days since 1970-01-01 of local milliseconds, and the milliseconds since midnight. */
export function splitDay(local: number): { readonly day: number; readonly clock: number } {
  const day = Math.floor(local / dayLength)
  return { day, clock: local - day * dayLength }
}

/** Monday 0 … Sunday 6; 1970-01-01 was a Thursday. */
export function weekdayOf(day: number): number {
  return (((day + 3) % 7) + 7) % 7
}

/** Months since January 1970, and the day of the month from 1. */
export function splitMonth(day: number): { readonly month: number; readonly date: number } {
  const time = new Date(day * dayLength)
  return { month: 12 * (time.getUTCFullYear() - 1970) + time.getUTCMonth(), date: time.getUTCDate() }
}

/** The day of a date in a month, the last one where the month is shorter. */
export function dayOfMonth(month: number, date: number): number {
  return firstOf(month) + Math.min(date, daysIn(month)) - 1
}

export function daysIn(month: number): number {
  return firstOf(month + 1) - firstOf(month)
}

function firstOf(month: number): number {
  const year = Math.floor(month / 12)
  const time = new Date(0)
  time.setUTCFullYear(1970 + year, month - 12 * year, 1)
  return time.getTime() / dayLength
}
