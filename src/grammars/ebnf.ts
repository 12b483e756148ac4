import { LimitError, OptionError } from '../base/errors.ts'
import { shortened } from '../base/options.ts'
import { allCodes, type CodeSet, codeSet, minus, single } from './code-set.ts'
import { choice, type Expression, type Grammar, repeat, rule, sequence, set, text } from './expression.ts'

const deepest = 64
const controls: Readonly<Record<string, number>> = { n: 0x0a, r: 0x0d, t: 0x09, b: 0x08, f: 0x0c, v: 0x0b, '0': 0 }
const nameHere = /[A-Za-z_][A-Za-z0-9_.-]*/y
const blanksHere = /(?:[ \t\r\n]|#[^\n]*(?:\n|$))*/y
const definitionHere = /[A-Za-z_][A-Za-z0-9_.-]*(?:[ \t\r\n]|#[^\n]*(?:\n|$))*::=/y
const countsHere = /\{\s*(\d{1,9})?\s*(,)?\s*(\d{1,9})?\s*\}/y

/**
 * Reads a grammar in the notation of GBNF: rules `name ::= …` of "texts", [classes], (groups), `|`, `*`, `+`, `?`, `{2,5}`, and comments
 * behind `#`. Throws OptionError, with line and column, for anything else and for rules that are there twice.
 */
export function readEbnf(source: string, root = 'root'): Grammar {
  if (typeof source !== 'string' || source.trim() === '') throw new OptionError('the grammar is empty', { expected: 'root ::= …' })
  return { root, rules: new EbnfParser(source).rules() }
}

class EbnfParser {
  readonly #source: string
  #at = 0
  #depth = 0

  constructor(source: string) {
    this.#source = source
  }

  rules(): ReadonlyMap<string, Expression> {
    const rules = new Map<string, Expression>()
    for (this.#blanks(); this.#at < this.#source.length; this.#blanks()) {
      const place = this.#at
      const name = this.#match(nameHere)?.[0]
      this.#blanks()
      if (name === undefined || !this.#skip('::=')) throw this.#problem('no rule', 'name ::= …', place)
      if (rules.has(name)) throw this.#problem(`the rule '${shortened(name)}' a second time`, 'each rule once', place)
      rules.set(name, this.#options())
    }
    return rules
  }

  #options(): Expression {
    const options = [this.#sequence()]
    while (this.#skip('|')) options.push(this.#sequence())
    return choice(options)
  }

  #sequence(): Expression {
    const parts: Expression[] = []
    for (;;) {
      this.#blanks()
      const part = this.#atEnd() ? undefined : this.#repeated()
      if (part === undefined) return sequence(...parts)
      parts.push(part)
    }
  }

  /** Where an alternative ends: at the end, at `|`, at `)`, and where the next rule begins. */
  #atEnd(): boolean {
    const next = this.#source[this.#at]
    if (next === undefined || next === '|' || next === ')') return true
    const place = this.#at
    const found = this.#match(definitionHere) !== undefined
    this.#at = place
    return found
  }

  #repeated(): Expression {
    let expression = this.#atom()
    for (;;) {
      const counts = this.#counts()
      if (counts === undefined) return expression
      expression = repeat(expression, ...counts)
    }
  }

  #counts(): [number, number?] | undefined {
    if (this.#skip('*')) return [0]
    if (this.#skip('+')) return [1]
    if (this.#skip('?')) return [0, 1]
    if (this.#source[this.#at] !== '{') return undefined
    const place = this.#at
    const found = this.#match(countsHere)
    const [, low, comma, high] = found ?? []
    if (found === undefined || (low === undefined && high === undefined))
      throw this.#problem('a count', '{2}, {2,} or {2,5}', place)
    const least = Number(low ?? 0)
    if (comma === undefined) return [least, least]
    if (high === undefined) return [least]
    if (Number(high) < least) throw this.#problem(`the count ${found[0]}`, 'the smaller number first', place)
    return [least, Number(high)]
  }

  #atom(): Expression {
    const place = this.#at
    if (this.#skip('"')) return this.#text(place)
    if (this.#skip('[')) return set(this.#class(place))
    if (this.#skip('(')) return this.#group(place)
    if (this.#skip('.')) return set(allCodes)
    const name = this.#match(nameHere)?.[0]
    if (name !== undefined) return rule(name)
    throw this.#problem(JSON.stringify(this.#source[place]), 'a "text", a [class], a (group) or the name of a rule', place)
  }

  #group(place: number): Expression {
    if (++this.#depth > deepest) throw new LimitError('the grammar is nested too deeply', { expected: `at most ${deepest} groups` })
    if (this.#skip('=')) throw this.#problem('a lookahead', 'groups without it', place)
    const inside = this.#options()
    if (!this.#skip(')')) throw this.#problem('a group without an end', ')', place)
    this.#depth--
    return inside
  }

  #text(place: number): Expression {
    let value = ''
    while (!this.#skip('"')) value += String.fromCodePoint(this.#character(place))
    return text(value)
  }

  #class(place: number): CodeSet {
    const negated = this.#skip('^')
    const ranges: [number, number][] = []
    while (!this.#skip(']')) {
      const from = this.#character(place)
      const isRange = this.#source[this.#at] === '-' && this.#source[this.#at + 1] !== ']'
      if (isRange) this.#at++
      const to = isRange ? this.#character(place) : from
      if (to < from) throw this.#problem('a class whose range goes backwards', 'the smaller character first', place)
      ranges.push([from, to])
    }
    const codes = codeSet(ranges)
    return negated ? minus(allCodes, codes) : codes
  }

  #character(place: number): number {
    const code = this.#source.codePointAt(this.#at)
    if (code === undefined || code === 0x0a) throw this.#problem('no end of a text or class', '" or ]', place)
    if (single(code).length === 0) throw this.#problem('half of a surrogate pair', 'well-formed Unicode')
    this.#at += code > 0xffff ? 2 : 1
    return code === 0x5c ? this.#escape() : code
  }

  #escape(): number {
    const place = this.#at - 1
    const kind = this.#source[this.#at++] ?? ''
    const length = { x: 2, u: 4, U: 8 }[kind]
    if (length !== undefined) return this.#hex(length, place)
    if (kind in controls) return controls[kind]!
    if ('"\\[]^-/|(){}*+?.\''.includes(kind) && kind !== '') return kind.charCodeAt(0)
    throw this.#problem(`the escape \\${kind}`, '\\n, \\t, \\", \\\\, \\xHH, \\uHHHH and their kin', place)
  }

  #hex(length: number, place: number): number {
    const digits = this.#source.slice(this.#at, this.#at + length)
    const code = Number.parseInt(digits, 16)
    const valid = digits.length === length && /^[0-9A-Fa-f]+$/.test(digits) && code <= 0x10ffff && single(code).length === 1
    if (!valid) throw this.#problem('an escape that is no character', `${length} hexadecimal digits of one`, place)
    this.#at += length
    return code
  }

  #blanks(): void {
    this.#match(blanksHere)
  }

  #match(pattern: RegExp): RegExpExecArray | undefined {
    pattern.lastIndex = this.#at
    const found = pattern.exec(this.#source)
    if (found === null) return undefined
    this.#at += found[0].length
    return found
  }

  #skip(expected: string): boolean {
    if (!this.#source.startsWith(expected, this.#at)) return false
    this.#at += expected.length
    return true
  }

  #problem(found: string, expected: string, place = this.#at): OptionError {
    const before = this.#source.slice(0, place).split('\n')
    return new OptionError(`line ${before.length}, column ${before.at(-1)!.length + 1} of the grammar: ${found}`, { expected })
  }
}
