import { FormatError } from '../base/errors.ts'
import { resolveLimits } from './limits.ts'
import { quoted } from './text.ts'

export interface JsonLimits {
  /** Longest text, in bytes (of a string: in UTF-16 units). Default 100,000,000. */
  readonly maxBytes?: number
  /** Deepest nesting of arrays and objects. Default 64. */
  readonly maxDepth?: number
  /** Most values in the whole text. Default 10,000,000. */
  readonly maxValues?: number
}

export interface JsonOptions extends JsonLimits {
  /** What the text is, for messages: `'config.json'`. */
  readonly what: string
  /** Refuse objects that have the same key twice. Default false: the last one counts. */
  readonly refuseDuplicates?: boolean
}

const defaultLimits = { maxBytes: 100_000_000, maxDepth: 64, maxValues: 10_000_000 }

type Limits = Readonly<typeof defaultLimits>

/**
 * Parses JSON of unknown origin. Objects come back without a prototype, so that `value.constructor` or `value['__proto__']` is
 * only there when the text has that key.
 *
 * @throws FormatError when the text is too long, too deep, has too many values, is not UTF-8 or not JSON, or repeats a key.
 * @example
 * const config = parseJson(await readFile('config.json'), { what: 'config.json' })
 */
export function parseJson(source: Uint8Array | string, { what, refuseDuplicates = false, ...given }: JsonOptions): unknown {
  const limits = resolveLimits(defaultLimits, given, 'JSON')
  if (source.length > limits.maxBytes) {
    throw new FormatError(`${what} is ${source.length} bytes long`, { expected: `at most ${limits.maxBytes}` })
  }
  const text = typeof source === 'string' ? source : decodeUtf8(source, what)
  checkStructure(text, what, limits, refuseDuplicates)
  return withoutPrototypes(parse(text, what))
}

/** Whether `value` is an object of `parseJson`, neither null nor an array. */
export function isJsonObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function decodeUtf8(bytes: Uint8Array, what: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (cause) {
    throw new FormatError(`${what} is not UTF-8`, { cause })
  }
}

function parse(text: string, what: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new FormatError(`${what} is not JSON: ${(cause as Error).message}`, { cause })
  }
}

const quote = 0x22
const comma = 0x2c
const colon = 0x3a
const openBracket = 0x5b
const backslash = 0x5c
const closeBracket = 0x5d
const openBrace = 0x7b
const closeBrace = 0x7d

/**
 * Depth, number of values and repeated keys, before anything is built. The text may still be no JSON, in which case any verdict
 * will do, as JSON.parse refuses it next.
 */
function checkStructure(text: string, what: string, limits: Limits, refuseDuplicates: boolean): void {
  const open: (Set<string> | undefined)[] = []
  let values = 1
  let lastString = ''
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index)
    if (code === quote) {
      const end = endOfString(text, index)
      if (refuseDuplicates) lastString = text.slice(index, end + 1)
      index = end
    } else if (code === colon) {
      if (refuseDuplicates) refuseRepeated(open.at(-1), lastString, what)
    } else if (code === closeBrace || code === closeBracket) {
      open.pop()
    } else if (code === comma || code === openBrace || code === openBracket) {
      if (code !== comma) open.push(refuseDuplicates && code === openBrace ? new Set() : undefined)
      if (open.length > limits.maxDepth) throw new FormatError(`${what} is nested deeper than ${limits.maxDepth}`)
      if (++values > limits.maxValues) throw new FormatError(`${what} has more than ${limits.maxValues} values`)
    }
  }
}

/**
 * Which of two bounds a text breaks, found without building anything: how deep arrays and objects lie within one another, or how many of
 * them and of the members of objects there are. Of text that is no JSON, any verdict will do.
 */
export function jsonExceeds(text: string, { depth, parts }: { depth: number; parts: number }): 'depth' | 'parts' | undefined {
  let [open, seen] = [0, 0]
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index)
    if (code === quote) index = endOfString(text, index)
    else if (code === closeBrace || code === closeBracket) open--
    else if (code === openBrace || code === openBracket || code === colon) {
      if (code !== colon && ++open > depth) return 'depth'
      if (++seen > parts) return 'parts'
    }
  }
  return undefined
}

/** Index of the quote that closes the string opened at `start`; the text's length when none does. */
function endOfString(text: string, start: number): number {
  let index = start + 1
  while (index < text.length) {
    const code = text.charCodeAt(index)
    if (code === quote) return index
    index += code === backslash ? 2 : 1
  }
  return index
}

function refuseRepeated(keys: Set<string> | undefined, literal: string, what: string): void {
  const key = unescaped(literal)
  if (keys?.has(key)) throw new FormatError(`${what} has the key ${quoted(key)} twice`)
  keys?.add(key)
}

function unescaped(literal: string): string {
  if (!literal.includes('\\')) return literal.slice(1, -1)
  try {
    return String(JSON.parse(literal))
  } catch {
    return literal
  }
}

function withoutPrototypes(root: unknown): unknown {
  const pending: object[] = []
  const visit = (value: unknown) => {
    if (typeof value === 'object' && value !== null) pending.push(value)
  }
  visit(root)
  for (let value = pending.pop(); value !== undefined; value = pending.pop()) {
    if (Array.isArray(value)) value.forEach(visit)
    else {
      const members: Record<string, unknown> = Object.setPrototypeOf(value, null)
      // Twice as fast as Object.values for vocabularies; nothing is inherited any more.
      for (const key in members) visit(members[key])
    }
  }
  return root
}
