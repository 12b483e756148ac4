import type { Expression } from '../expression.ts'
import { wholeRegex } from '../regex.ts'

const day = '(0[1-9]|[12][0-9]|3[01])'
const dayOf30 = '(0[1-9]|[12][0-9]|30)'
const dayOf28 = '(0[1-9]|1[0-9]|2[0-8])'
const leapYear = '([0-9]{2}(0[48]|[2468][048]|[13579][26])|([02468][048]|[13579][26])00)'
const date = `([0-9]{4}-((0[13578]|1[02])-${day}|(0[469]|11)-${dayOf30}|02-${dayOf28})|${leapYear}-02-29)`
const hour = '([01][0-9]|2[0-3])'
const sixty = '[0-5][0-9]'
const zone = `(Z|[+-]${hour}:${sixty})`
const time = `${hour}:${sixty}:${sixty}(\\.[0-9]{1,9})?${zone}`
const validTime = `${hour}:${sixty}:${sixty}(\\.[0-9]+)?${zone}`
const octet = '(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])'
/** Loops rather than counts where a format has none that matters: each count is a state of its own to compile. */
const host = '[a-z0-9]+(-[a-z0-9]+)*(\\.[a-z0-9]+(-[a-z0-9]+)*)*\\.[a-z]{2,8}'
const shortHost = '[a-z0-9]{1,16}(\\.[a-z0-9]{1,16})?\\.[a-z]{2,8}'
const label = '[a-z]([a-z0-9-]{0,14}[a-z0-9])?'
const hostname = `${label}(\\.${label}){1,3}`
const validLabel = '[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?'
const domain = '[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?'
const atom = '[A-Za-z0-9_+-]+'
const validAtom = "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
const quad = '[0-9a-fA-F]{1,4}'
const uri = `https?://${host}(:[1-9][0-9]{1,3})?(/[A-Za-z0-9._~-]+)*/?`

/** Each with at least one part. ISO 8601 as of RFC 3339, appendix A. */
const some = '[0-9]{1,4}'
const days = `(${some}Y(${some}M)?(${some}D)?|${some}M(${some}D)?|${some}D)`
const hours = `T(${some}H(${some}M)?(${some}S)?|${some}M(${some}S)?|${some}S)`
const duration = `P(${days}(${hours})?|${hours}|${some}W)`

interface FormatPatterns {
  /** What is written: the first of these that a schema's other keywords allow. */
  readonly written: readonly string[]
  /** Texts of which all are valid, as many as can be said plainly; without it, those that are written. */
  readonly valid?: string
}

const patterns: ReadonlyMap<string, FormatPatterns> = new Map<string, FormatPatterns>([
  ['date', { written: [date] }],
  ['time', { written: [time], valid: validTime }],
  ['date-time', { written: [`${date}T${time}`], valid: `${date}T${validTime}` }],
  ['duration', { written: [duration], valid: duration.replaceAll(some, '[0-9]+') }],
  ['uuid', { written: [uuid('[0-9a-f]', '', '')], valid: uuid('[0-9a-fA-F]', '', '') }],
  // Pydantic's names for uuids of one version, RFC 9562.
  ...['1', '3', '4', '5', '6', '7', '8'].map(
    (version) => [`uuid${version}`, { written: [uuid('[0-9a-f]', version, '[89ab]')] }] as const,
  ),
  ['ipv4', { written: [`${octet}(\\.${octet}){3}`] }],
  ['ipv6', { written: [`(${quad}:){7}${quad}|(${quad}:){1,6}:${quad}`], valid: ipv6() }],
  ['hostname', { written: [hostname], valid: `${validLabel}(\\.${validLabel}){0,2}` }],
  [
    'email',
    {
      written: [`${atom}(\\.${atom})*@${host}`, `[A-Za-z0-9_+-]{1,16}@${shortHost}`, '[a-z0-9]{1,8}@[a-z0-9]{1,8}\\.[a-z]{2,4}'],
      valid: `${validAtom}(\\.${validAtom})*@(${domain}\\.)+${domain}`,
    },
  ],
  ['uri', { written: [uri, `https?://${shortHost}(/[A-Za-z0-9._~-]{1,31}){0,6}/?`] }],
])

/** Names that say something to people and programs, and that no validator asserts of texts. */
const annotations: ReadonlySet<string> = new Set(['path', 'file-path', 'directory-path', 'password', 'binary', 'json-string'])

/** Names that validators assert and nextx does not know: those of JSON Schema 2020-12 and of Ajv. */
const asserted: ReadonlySet<string> = new Set([
  ...['idn-email', 'idn-hostname', 'uri-reference', 'iri', 'iri-reference', 'uri-template', 'json-pointer', 'regex'],
  ...['relative-json-pointer', 'json-pointer-uri-fragment', 'iso-time', 'iso-date-time', 'url', 'byte'],
])

export const formatNames: readonly string[] = [...patterns.keys()]

export interface Format {
  readonly written: readonly Expression[]
  readonly valid: Expression
}

/** RFC 3339, 9562, 2673, 4291, 1123, 5321 and 3986, as far as they are plain. Undefined for formats that are not known. */
export function formatNamed(name: string): Format | undefined {
  const found = patterns.get(name)
  if (found === undefined) return undefined
  return {
    written: found.written.map((pattern) => wholeRegex(pattern)),
    valid: wholeRegex(found.valid ?? found.written.join('|')),
  }
}

/** Whether a format that is not known may stand for nothing but a note; beside a pattern every name does that none asserts. */
export function isNote(name: string, besidePattern: boolean): boolean {
  return annotations.has(name) || (besidePattern && !patterns.has(name) && !asserted.has(name))
}

/**
 * Patterns of zod's and pydantic's that look ahead, which grammars cannot, and what is written under them: plain texts that they match.
 */
const plainPatterns: ReadonlyMap<string, string> = new Map([
  [
    '^(?=.{1,253}\\.?$)[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?(?:\\.[a-zA-Z0-9](?:[-0-9a-zA-Z]{0,61}[0-9a-zA-Z])?)*\\.?$',
    hostname,
  ],
  ['^P(?:(\\d+W)|(?!.*W)(?=\\d|T\\d)(\\d+Y)?(\\d+M)?(\\d+D)?(T(?=\\d)(\\d+H)?(\\d+M)?(\\d+([.,]\\d+)?S)?)?)$', duration],
  ['^(?!^[-+.]*$)[+-]?0*\\d*\\.?\\d*$', '-?(0|[1-9][0-9]{0,14})(\\.[0-9]{1,15})?'],
])

export function plainPattern(pattern: string): Expression | undefined {
  const plain = plainPatterns.get(pattern)
  return plain === undefined ? undefined : wholeRegex(plain)
}

function uuid(digit: string, version: string, variant: string): string {
  const third = version === '' ? `${digit}{4}` : `${version}${digit}{3}`
  const fourth = variant === '' ? `${digit}{4}` : `${variant}${digit}{3}`
  return `${digit}{8}-${digit}{4}-${third}-${fourth}-${digit}{12}`
}

/** Eight groups, or fewer around `::`. */
function ipv6(): string {
  const around = [1, 2, 3, 4, 5, 6].map((before) => `(${quad}:){${before}}(:${quad}){1,${7 - before}}`)
  return [`(${quad}:){7}${quad}`, ...around, `(${quad}:){1,7}:`, `:(:${quad}){1,7}`, '::'].join('|')
}
