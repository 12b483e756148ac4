import { LimitError, OptionError } from '../base/errors.ts'
import { shortened } from '../base/options.ts'
import { allCodes, type CodeSet, codeSet, complement, minus, single, union } from './code-set.ts'
import { choice, type Expression, repeat, sequence, set, text } from './expression.ts'

/** One of the alternatives of an expression. */
interface Branch {
  readonly body: Expression
  /** Begins with ^. */
  readonly start: boolean
  /** Ends with $. */
  readonly end: boolean
}

const deepest = 64

const digits = codeSet([[0x30, 0x39]])
const words = codeSet([
  [0x30, 0x39],
  [0x41, 0x5a],
  [0x5f, 0x5f],
  [0x61, 0x7a],
])
// WhiteSpace and LineTerminator of ECMA-262.
const spaces = codeSet([
  [0x09, 0x0d],
  [0x20, 0x20],
  [0xa0, 0xa0],
  [0x1680, 0x1680],
  [0x2000, 0x200a],
  [0x2028, 0x2029],
  [0x202f, 0x202f],
  [0x205f, 0x205f],
  [0x3000, 0x3000],
  [0xfeff, 0xfeff],
])
const lineEnds = codeSet([
  [0x0a, 0x0a],
  [0x0d, 0x0d],
  [0x2028, 0x2029],
])
const classes: Readonly<Record<string, CodeSet>> = {
  d: digits,
  w: words,
  s: spaces,
  D: complement(digits),
  W: complement(words),
  S: complement(spaces),
}
const controls: Readonly<Record<string, number>> = { t: 0x09, n: 0x0a, v: 0x0b, f: 0x0c, r: 0x0d, 0: 0 }

/**
 * The texts that a JavaScript expression with the flag `u` matches from their beginning to their end. Throws OptionError when it is no
 * expression, or has assertions, references or properties of characters.
 */
export function wholeRegex(pattern: string, name = 'the expression'): Expression {
  return choice(parse(pattern, name).map(({ body }) => body))
}

/** The texts in which the expression matches something, as `pattern` of a JSON Schema says: anything around it but behind ^ and $. */
export function searchedRegex(pattern: string, name = 'the expression'): Expression {
  const anything = repeat(set(allCodes), 0)
  const around = ({ body, start, end }: Branch) => sequence(...(start ? [] : [anything]), body, ...(end ? [] : [anything]))
  return choice(parse(pattern, name).map(around))
}

function parse(pattern: string, name: string): Branch[] {
  const shown = `${name} ${JSON.stringify(shortened(pattern))}`
  if (/\p{Surrogate}/u.test(pattern))
    throw new OptionError(`${shown} has half of a surrogate pair`, { expected: 'well-formed Unicode' })
  try {
    new RegExp(pattern, 'u')
  } catch (cause) {
    throw new OptionError(`${shown} is not valid`, { expected: "a JavaScript expression with the flag 'u'", cause })
  }
  return new RegexParser(pattern, shown).branches()
}

/** Trusts that the pattern is valid. */
class RegexParser {
  readonly #pattern: string
  readonly #shown: string
  #at = 0
  #depth = 0

  constructor(pattern: string, shown: string) {
    this.#pattern = pattern
    this.#shown = shown
  }

  branches(): Branch[] {
    const branches: Branch[] = []
    do {
      const start = this.#skip('^')
      const body = this.#sequence()
      branches.push({ start, body, end: this.#skip('$') })
    } while (this.#skip('|'))
    if (this.#at < this.#pattern.length) throw this.#refusal('an anchor inside')
    return branches
  }

  #sequence(): Expression {
    const parts: Expression[] = []
    while (this.#at < this.#pattern.length && !'|)$'.includes(this.#peek())) parts.push(this.#quantified())
    return sequence(...parts)
  }

  #quantified(): Expression {
    const atom = this.#atom()
    const counts = this.#counts()
    if (counts === undefined) return atom
    this.#skip('?') // Laziness decides which match is found first, not what matches.
    return repeat(atom, ...counts)
  }

  #counts(): [number, number?] | undefined {
    if (this.#skip('*')) return [0]
    if (this.#skip('+')) return [1]
    if (this.#skip('?')) return [0, 1]
    const found = /^\{(\d+)(,?)(\d*)\}/.exec(this.#pattern.slice(this.#at, this.#at + 64))
    if (found === null) return undefined
    this.#at += found[0].length
    const [, least, comma, most] = found
    if (comma === '') return [Number(least), Number(least)]
    return most === '' ? [Number(least)] : [Number(least), Number(most)]
  }

  #atom(): Expression {
    const character = this.#take()
    if (character === '.') return set(complement(lineEnds))
    if (character === '(') return this.#group()
    if (character === '[') return set(this.#class())
    if (character === '^') throw this.#refusal('an anchor inside')
    if (character !== '\\') return text(character)
    const next = this.#peek()
    if (/[1-9k]/.test(next)) throw this.#refusal(`the reference \\${next}`)
    if (next === 'b' || next === 'B') throw this.#refusal(`the assertion \\${next}`)
    return this.#escapeOf(this.#escape())
  }

  #escapeOf(codes: CodeSet): Expression {
    if (codes.length === 0) throw this.#refusal('half of a surrogate pair')
    const [[from, to]] = codes as [readonly [number, number]]
    return codes.length === 1 && from === to ? text(String.fromCodePoint(from)) : set(codes)
  }

  #group(): Expression {
    if (++this.#depth > deepest)
      throw new LimitError(`${this.#shown} is nested too deeply`, { expected: `at most ${deepest} groups` })
    if (this.#skip('?')) this.#groupKind()
    const options: Expression[] = []
    do options.push(this.#sequence())
    while (this.#skip('|'))
    if (!this.#skip(')')) throw this.#refusal('an anchor inside')
    this.#depth--
    return choice(options)
  }

  #groupKind(): void {
    if (this.#skip(':')) return
    const kind = this.#pattern.slice(this.#at, this.#at + 2)
    if (kind[0] === '=' || kind[0] === '!') throw this.#refusal('a lookahead')
    if (kind === '<=' || kind === '<!') throw this.#refusal('a lookbehind')
    if (kind[0] !== '<') throw this.#refusal('a group with flags')
    this.#at = this.#pattern.indexOf('>', this.#at) + 1
  }

  #class(): CodeSet {
    const negated = this.#skip('^')
    const parts: CodeSet[] = []
    while (!this.#skip(']')) parts.push(this.#classPart())
    return negated ? minus(allCodes, union(...parts)) : union(...parts)
  }

  #classPart(): CodeSet {
    const first = this.#classAtom()
    if (this.#peek() !== '-' || this.#pattern[this.#at + 1] === ']') return first
    this.#at++
    const last = this.#classAtom()
    // Ends of a range are single characters in a valid expression, or halves of pairs, of which nothing is left.
    const [from, to] = [first[0]?.[0], last.at(-1)?.[1]]
    if (from === undefined || to === undefined) throw this.#refusal('half of a surrogate pair')
    return codeSet([[from, to]])
  }

  #classAtom(): CodeSet {
    const character = this.#take()
    return character === '\\' ? this.#escape() : single(character.codePointAt(0)!)
  }

  /** Behind a backslash. */
  #escape(): CodeSet {
    const character = this.#take()
    if (character in classes) return classes[character]!
    if (character === 'p' || character === 'P') throw this.#refusal(`the property \\${character}{…}`)
    if (character in controls) return single(controls[character]!)
    if (character === 'b') return single(0x08) // In classes only.
    if (character === 'c') return single(this.#take().charCodeAt(0) % 32)
    if (character === 'x') return single(this.#hex(2))
    return single(character === 'u' ? this.#unicode() : character.codePointAt(0)!)
  }

  #unicode(): number {
    if (this.#skip('{')) {
      const end = this.#pattern.indexOf('}', this.#at)
      const code = Number.parseInt(this.#pattern.slice(this.#at, end), 16)
      this.#at = end + 1
      return code
    }
    const code = this.#hex(4)
    const low = /^\\u(d[c-f][0-9a-f]{2})/i.exec(this.#pattern.slice(this.#at, this.#at + 6))
    if (code < 0xd800 || code > 0xdbff || low === null) return code
    this.#at += 6
    return 0x10000 + ((code - 0xd800) << 10) + (Number.parseInt(low[1]!, 16) - 0xdc00)
  }

  #hex(length: number): number {
    const code = Number.parseInt(this.#pattern.slice(this.#at, this.#at + length), 16)
    this.#at += length
    return code
  }

  #peek(): string {
    return this.#pattern[this.#at] ?? ''
  }

  /** The next character, which may be two code units. */
  #take(): string {
    const character = String.fromCodePoint(this.#pattern.codePointAt(this.#at)!)
    this.#at += character.length
    return character
  }

  #skip(character: string): boolean {
    if (this.#peek() !== character) return false
    this.#at++
    return true
  }

  #refusal(what: string): OptionError {
    return new OptionError(`${this.#shown} has ${what} at ${this.#at}`, {
      expected: 'characters, classes, groups, alternatives, counts, and anchors at both ends only',
    })
  }
}
