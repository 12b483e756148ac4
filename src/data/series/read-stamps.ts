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

const iso: StampFormat = {
  name: 'ISO 8601',
  read: (text, zone) =>
    /^\d{4}-?\d/.test(text) && !/^\d{5,}$/.test(text) ? millis(DateTime.fromISO(text.replace(' ', 'T'), { zone })) : undefined,
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
