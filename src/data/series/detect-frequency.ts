import { DataError } from '../../base/errors.ts'
import { type Frequency, type FrequencyUnit, gridOf } from './frequency.ts'
import { clockOf, daysIn, splitDay, splitMonth, weekdayOf } from './local-time.ts'

export interface Irregular {
  readonly index: number
  readonly stamp: number
  readonly before: number
}

export interface Gap {
  /** The stamp before it. */
  readonly after: number
  readonly missing: number
}

export interface DetectedFrequency {
  readonly frequency: Frequency
  /** Stamps that are no whole number of steps after the one before. */
  readonly irregular: readonly Irregular[]
  readonly gaps: readonly Gap[]
}

/**
 * The frequency of ascending stamps: the coarsest one on whose grid all of them lie; where there is none, the most common distance, with the stamps
 * that break it. Throws DataError on fewer than three stamps.
 */
export function detectFrequency(stamps: ArrayLike<number>, zone: string): DetectedFrequency {
  if (stamps.length < 3)
    throw new DataError(`${stamps.length} stamps tell no frequency`, { expected: 'at least 3', fix: 'name the frequency' })
  const frequency = calendarFrequency(stamps, zone) ?? fixedFrequency(stamps)
  return { frequency, ...regularity(stamps, frequency, zone) }
}

/** Gaps and irregular stamps of ascending stamps, given their frequency. */
export function regularity(
  stamps: ArrayLike<number>,
  frequency: Frequency,
  zone: string,
): Pick<DetectedFrequency, 'irregular' | 'gaps'> {
  const grid = gridOf(frequency, zone)
  const irregular: Irregular[] = []
  const gaps: Gap[] = []
  for (let index = 1; index < stamps.length; index++) {
    const [before, stamp] = [stamps[index - 1]!, stamps[index]!]
    const { steps, exact } = grid.between(before, stamp)
    if (!exact || steps < 1) irregular.push({ index, stamp, before })
    else if (steps > 1) gaps.push({ after: before, missing: steps - 1 })
  }
  return { irregular, gaps }
}

const coarseFirst: readonly FrequencyUnit[] = ['year', 'quarter', 'month', 'week', 'businessDay', 'day']

/** The coarsest step of the calendar that fits all stamps; none where the time of day changes. */
function calendarFrequency(stamps: ArrayLike<number>, zone: string): Frequency | undefined {
  const clock = clockOf(zone)
  const clockAt = (index: number) => splitDay(clock.toLocal(stamps[index]!)).clock
  const time = clockAt(0)
  for (let index = 1; index < stamps.length; index++) if (clockAt(index) !== time) return undefined
  const days = Array.from(stamps, (stamp) => splitDay(clock.toLocal(stamp)).day)
  const dates = days.map(splitMonth)
  const monthEnd = dates.every(({ month, date }) => date === daysIn(month)) && dates.some(({ date }) => date !== dates[0]!.date)
  const candidates = coarseFirst
    .filter((unit) => unit !== 'businessDay' || skipsWeekends(days))
    .map((unit): Frequency => ({ unit, every: 1, ...(monthEnd && isMonthly(unit) && { monthEnd }) }))
  const stepped = candidates.map((candidate) => ({ ...candidate, every: commonStep(stamps, candidate, zone) }))
  // A few stamps may be off, or missing: the coarsest step that most of them keep.
  const mostly = stepped.find((each) => 2 * singleSteps(stamps, { ...each, every: each.every ?? 1 }, zone) >= stamps.length - 1)
  const chosen = mostly ?? stepped.find(({ every }) => every !== undefined)
  return chosen && { ...chosen, every: chosen.every ?? 1 }
}

/** No stamp on a weekend, and at least one weekend passed over. */
function skipsWeekends(days: readonly number[]): boolean {
  const weekdays = days.map(weekdayOf)
  return weekdays.every((weekday) => weekday < 5) && weekdays.some((weekday, i) => i > 0 && weekday < weekdays[i - 1]!)
}

function singleSteps(stamps: ArrayLike<number>, frequency: Frequency, zone: string): number {
  const grid = gridOf(frequency, zone)
  let count = 0
  for (let index = 1; index < stamps.length; index++) {
    const { steps, exact } = grid.between(stamps[index - 1]!, stamps[index]!)
    if (exact && steps === 1) count++
  }
  return count
}

function isMonthly(unit: FrequencyUnit): boolean {
  return unit === 'month' || unit === 'quarter' || unit === 'year'
}

/** The greatest number of units that divides all distances; undefined where one is no whole number of units. */
function commonStep(stamps: ArrayLike<number>, frequency: Frequency, zone: string): number | undefined {
  const grid = gridOf(frequency, zone)
  let common = 0
  for (let index = 1; index < stamps.length; index++) {
    const { steps, exact } = grid.between(stamps[index - 1]!, stamps[index]!)
    if (!exact || steps < 1) return undefined
    common = greatestDivisor(common, steps)
  }
  return common
}

function greatestDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestDivisor(b, a % b)
}

/** The most common distance as a length of time. */
function fixedFrequency(stamps: ArrayLike<number>): Frequency {
  const counts = new Map<number, number>()
  for (let index = 1; index < stamps.length; index++) {
    const apart = stamps[index]! - stamps[index - 1]!
    counts.set(apart, (counts.get(apart) ?? 0) + 1)
  }
  const [apart] = [...counts].reduce((best, each) => (each[1] > best[1] ? each : best))
  for (const [unit, length] of [
    ['day', 86_400_000],
    ['hour', 3_600_000],
    ['minute', 60_000],
    ['second', 1000],
  ] as const)
    if (apart % length === 0) return { unit, every: apart / length }
  throw new DataError(`stamps ${apart} ms apart`, {
    expected: 'whole seconds',
    fix: 'round the stamps, or use whole numbers as stamps',
  })
}
