import { DateTime } from 'luxon'
import { scale } from 'vega'
import type { SeriesFrame } from '../data/index.ts'

type Calendar = Pick<SeriesFrame, 'frequency' | 'zone'>

/** Places on an axis of stamps, with one or two lines of text each. */
export interface Ticks {
  readonly values: readonly number[]
  readonly labels: readonly (readonly string[])[]
}

const day = 86_400_000

/**
 * About `count` stamps between two that the calendar of the frame's zone calls round. The second line of a label says what the first leaves open (the year of
 * a month, the day of an hour) where that changes.
 */
export function ticksBetween(from: number, to: number, count: number, { frequency, zone }: Calendar): Ticks {
  if (frequency.unit === 'step') return numberTicks(from, to, count)
  const local = (stamp: number) => DateTime.fromMillis(stamp, { zone }).setZone('UTC', { keepLocalTime: true }).toMillis()
  const stampOf = (time: number) => DateTime.fromMillis(time, { zone: 'UTC' }).setZone(zone, { keepLocalTime: true }).toMillis()
  const rounds =
    from === to
      ? []
      : (
          scale('utc')()
            .domain([local(from), local(to)])
            .ticks(count) as Date[]
        ).map(Number)
  const values = rounds.map(stampOf).filter((stamp) => stamp >= from && stamp <= to)
  const places = values.length === 0 ? [from] : values
  return { values: places, labels: labelsOf(places, from === to ? 0 : rounds[1]! - rounds[0]!, zone) }
}

function numberTicks(from: number, to: number, count: number): Ticks {
  const values = (scale('linear')().domain([from, to]).ticks(count) as number[]).filter(Number.isInteger)
  const places = values.length === 0 ? [from] : values
  return { values: places, labels: places.map((value) => [String(value)]) }
}

function labelsOf(stamps: readonly number[], distance: number, zone: string): string[][] {
  const [fine, coarse] = formatsFor(distance)
  let before = ''
  return stamps.map((stamp) => {
    const time = DateTime.fromMillis(stamp, { zone, locale: 'en-US' })
    const context = coarse === '' ? '' : time.toFormat(coarse)
    const changed = context !== before
    before = context
    return changed ? [time.toFormat(fine), context] : [time.toFormat(fine)]
  })
}

/** Luxon's letters for the two lines; `distance` in milliseconds, 0 for a single tick. */
function formatsFor(distance: number): readonly [fine: string, coarse: string] {
  if (distance === 0) return ['yyyy-LL-dd', 'HH:mm']
  if (distance < 60_000) return ['HH:mm:ss', 'yyyy-LL-dd']
  if (distance < day) return ['HH:mm', 'yyyy-LL-dd']
  if (distance < 27 * day) return ['LLL d', 'yyyy']
  return distance < 360 * day ? ['LLL', 'yyyy'] : ['yyyy', '']
}
