import type { Expression } from '../expression.ts'
import { wholeRegex } from '../regex.ts'

const day = '(0[1-9]|[12][0-9]|3[01])'
const dayOf30 = '(0[1-9]|[12][0-9]|30)'
const dayOf28 = '(0[1-9]|1[0-9]|2[0-8])'
const leapYear = '[0-9]{2}(0[48]|[2468][048]|[13579][26])'
/** Years of centuries count as common ones, so that 2000-02-29 is never written. */
const date = `([0-9]{4}-((0[13578]|1[02])-${day}|(0[469]|11)-${dayOf30}|02-${dayOf28})|${leapYear}-02-29)`
const hour = '([01][0-9]|2[0-3])'
const sixty = '[0-5][0-9]'
const time = `${hour}:${sixty}:${sixty}(\\.[0-9]{1,9})?(Z|[+-]${hour}:${sixty})`
const octet = '(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])'
/** Loops rather than counts where a format has none that matters: each count is a state of its own to compile. */
const host = '[a-z0-9]+(-[a-z0-9]+)*(\\.[a-z0-9]+(-[a-z0-9]+)*)*\\.[a-z]{2,8}'
const label = '[a-z]([a-z0-9-]{0,14}[a-z0-9])?'
const atom = '[A-Za-z0-9_+-]+'

/** Texts of each format; some formats have more, which are never written. */
const patterns: ReadonlyMap<string, string> = new Map([
  ['date', date],
  ['time', time],
  ['date-time', `${date}T${time}`],
  ['uuid', '[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}'],
  ['ipv4', `${octet}\\.${octet}\\.${octet}\\.${octet}`],
  ['hostname', `${label}(\\.${label}){1,3}`],
  ['email', `${atom}(\\.${atom})*@${host}`],
  ['uri', `https?://${host}(:[1-9][0-9]{1,3})?(/[A-Za-z0-9._~-]+)*/?`],
])

export const formatNames: readonly string[] = [...patterns.keys()]

/** RFC 3339, 4122, 2673, 1123, 5321 and 3986, as far as they are plain. Undefined for formats that are not known. */
export function formatExpression(name: string): Expression | undefined {
  const pattern = patterns.get(name)
  return pattern === undefined ? undefined : wholeRegex(pattern)
}
