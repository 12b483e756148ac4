import { DateTime } from 'luxon'
import { DataError, OptionError } from '../../base/errors.ts'
import { shortened } from '../../base/options.ts'

/** How stamps are written: its name in messages, and what a text means; undefined when it is none of these. */
export interface StampFormat {
  readonly name: string
  /** Whether stamps are numbers that are no times. */
  readonly steps?: true
  read(text: string, zone: string): number | undefined
}

const pattern = (format: string): StampFormat => ({
  name: format,
  read: (text, zone) => millis(DateTime.fromFormat(text, format, { zone, locale: 'en' })),
})

/** Milliseconds; undefined where a clock was put forward past the time. */
function millis(time: DateTime): number | undefined {
  return time.isValid ? time.toMillis() : undefined
}

const iso: StampFormat = { name: 'ISO 8601', read: (text, zone) => plainIso(text, zone) ?? anyIso(text, zone) }

/** Any text of ISO 8601, with a space for a T if need be; undefined for others. */
export function anyIso(text: string, zone: string): number | undefined {
  if (!/^\d{4}-?\d/.test(text) || /^\d{5,}$/.test(text)) return undefined
  return millis(DateTime.fromISO(text.replace(' ', 'T'), { zone }))
}

const plain = /^(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,3}))?)?(Z|[+-]\d\d:\d\d)?)?$/

/**
 * The usual forms at a hundredth of the cost: 2024-01-31, 2024-01-31 12:00, 2024-01-31T12:00:00.5+02:00. Undefined for all others, for times that may not
 * exist, and without an offset in any zone but UTC: those are anyIso's.
 */
export function plainIso(text: string, zone: string): number | undefined {
  const match = plain.exec(text)
  if (match === null) return undefined
  const [, year, month, date, hour = '0', minute = '0', second = '0', fraction = '', offset] = match
  if ((offset === undefined && zone !== 'UTC') || year! < '0100' || hour > '23' || minute > '59' || second > '59') return undefined
  const stamp = Date.UTC(Number(year), Number(month) - 1, Number(date), Number(hour), Number(minute), Number(second))
  // Days that a month does not have would move on to the next.
  if (month! < '01' || month! > '12' || date! < '01' || new Date(stamp).getUTCDate() !== Number(date)) return undefined
  return stamp + Number(fraction.padEnd(3, '0')) - offsetOf(offset)
}

/** Milliseconds of `+02:00`. */
function offsetOf(offset: string | undefined): number {
  if (offset === undefined || offset === 'Z') return 0
  const minutes = 60 * Number(offset.slice(1, 3)) + Number(offset.slice(4))
  return (offset.startsWith('-') ? -60_000 : 60_000) * minutes
}
const year: StampFormat = {
  name: 'a year',
  read: (text, zone) =>
    /^(1[5-9]|2[01])\d\d$/.test(text) ? millis(DateTime.fromObject({ year: Number(text) }, { zone })) : undefined,
}
const quarter: StampFormat = {
  name: 'a quarter such as 2020Q1',
  read(text, zone) {
    const [, y, q] = /^(\d{4})[- ]?Q([1-4])$/i.exec(text) ?? []
    return y === undefined ? undefined : millis(DateTime.fromObject({ year: Number(y), month: 3 * Number(q) - 2 }, { zone }))
  },
}
const unix: StampFormat = {
  name: 'seconds or milliseconds since 1970',
  read: (text) => (/^\d{9,10}$/.test(text) ? 1000 * Number(text) : /^\d{12,13}$/.test(text) ? Number(text) : undefined),
}
const whole: StampFormat = {
  name: 'whole numbers',
  steps: true,
  read: (text) => (/^-?\d{1,8}$/.test(text) ? Number(text) : undefined),
}

const days = [
  'dd/MM/yyyy',
  'MM/dd/yyyy',
  'dd.MM.yyyy',
  'yyyy/M/d',
  'dd-MM-yyyy',
  'MM-dd-yyyy',
  'd MMM yyyy',
  'MMM d, yyyy',
  'd-MMM-yyyy',
  'd-MMM-yy',
]
const clocks = ['', ' H:mm', ' H:mm:ss']

/** What is tried, in this order; the first that reads everything is taken, unless another reads it otherwise. */
const formats: readonly StampFormat[] = [
  iso,
  year,
  quarter,
  unix,
  whole,
  ...['MMM yyyy', 'yyyy MMM', 'MMM-yyyy', 'MMM yy', 'MMM-yy', 'MMMM yyyy', 'MM/yyyy'].map(pattern),
  ...days.flatMap((day) =>
    clocks.map((clock) => pattern(day.replace('dd', 'd').replace('MM/', 'M/').replace('/MM', '/M') + clock)),
  ),
]

/** The format of a name such as 'dd/MM/yyyy HH:mm' (Luxon's letters). Throws OptionError on an empty one. */
export function stampFormat(name: string): StampFormat {
  if (name.trim() === '') throw new OptionError('an empty format of stamps', { expected: 'such as dd/MM/yyyy' })
  return pattern(name)
}

/**
 * The one format in which all texts are written. Throws DataError when there is none (the first text that breaks the most promising one is named), or
 * when two read the texts differently, as days before months and months before days.
 */
export function detectStampFormat(texts: readonly string[], zone: string): StampFormat {
  const fitting = formats.filter((format) => texts.every((text) => format.read(text, zone) !== undefined))
  const [first, ...others] = fitting
  if (first === undefined) throw unreadable(texts, zone)
  const other = others.find((format) => texts.some((text) => format.read(text, zone) !== first.read(text, zone)))
  if (other === undefined || (!first.name.includes('/') && !first.name.includes('-'))) return first
  throw new DataError(`the stamps read as ${first.name} and as ${other.name}, such as '${shortened(texts[0]!, 40)}'`, {
    expected: 'stamps that can be read in one way',
    fix: `name the format: '${first.name}' or '${other.name}'`,
  })
}

function unreadable(texts: readonly string[], zone: string): DataError {
  const readable = (format: StampFormat) => {
    const bad = texts.findIndex((text) => format.read(text, zone) === undefined)
    return { format, bad }
  }
  const best = formats.map(readable).reduce((a, b) => (b.bad > a.bad ? b : a))
  const text = shortened(texts[best.bad]!, 40)
  if (best.bad === 0)
    return new DataError(`'${text}' is no date that is understood`, {
      expected: 'such as 2020-01-31 or 2020-01-31T12:00',
      fix: 'name the format, such as dd.MM.yyyy',
    })
  return new DataError(`stamp ${best.bad + 1} is '${text}', and those before it are ${best.format.name}`, {
    expected: 'one format for all',
  })
}
