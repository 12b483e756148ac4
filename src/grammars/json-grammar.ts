import { allCodes, type CodeSet, codeSet, contains, intersection, minus } from './code-set.ts'
import { choice, type Expression, optional, repeat, rule, separated, sequence, set, text } from './expression.ts'

/** Digits before, behind the point, and of the exponent: every such number is finite and read back exactly as JavaScript writes it. */
export const mostDigits = 15

const digit = set(codeSet([[0x30, 0x39]]))
const nonZero = set(codeSet([[0x31, 0x39]]))
const hexDigit = set(
  codeSet([
    [0x30, 0x39],
    [0x41, 0x46],
    [0x61, 0x66],
  ]),
)
const escaped = codeSet([
  [0, 0x1f],
  [0x22, 0x22],
  [0x5c, 0x5c],
])
const unescaped = minus(allCodes, escaped)

const natural = choice([text('0'), sequence(nonZero, repeat(digit, 0, mostDigits - 1))])
const integer = sequence(optional(text('-')), natural)
const fraction = sequence(text('.'), repeat(digit, 1, mostDigits))
const exponent = sequence(choice([text('e'), text('E')]), optional(choice([text('+'), text('-')])), repeat(digit, 1, 2))
const number = sequence(integer, optional(fraction), optional(exponent))

/** `\u` of a character that is no surrogate, so that what counts as a character is the same here and in JSON Schema. */
const unicodeEscape = sequence(
  text('u'),
  choice([
    sequence(
      set(
        codeSet([
          [0x30, 0x39],
          [0x41, 0x43],
          [0x45, 0x46],
          [0x61, 0x63],
          [0x65, 0x66],
        ]),
      ),
      hexDigit,
    ),
    sequence(choice([text('d'), text('D')]), set(codeSet([[0x30, 0x37]]))),
  ]),
  hexDigit,
  hexDigit,
)
const shortEscape = set(codeSet([...'"\\/bfnrt'].map((character) => [character.charCodeAt(0), character.charCodeAt(0)] as const)))
/** A character of a string, as it stands or escaped. */
export const character = choice([set(unescaped), sequence(text('\\'), choice([shortEscape, unicodeEscape]))])

/** Commas and colons, with a space behind them or not: models write both, and none can write spaces forever. */
export const comma = sequence(text(','), optional(text(' ')))
export const colon = sequence(text(':'), optional(text(' ')))

/** Rules that every grammar of JSON shares. */
export const jsonRules: ReadonlyMap<string, Expression> = new Map([
  ['string', quoted(repeat(character, 0))],
  ['number', number],
  ['integer', integer],
  ['boolean', choice([text('true'), text('false')])],
  ['null', text('null')],
  ['member', sequence(rule('string'), colon, rule('value'))],
  ['object', members(rule('member'))],
  ['array', elements(rule('value'), 0)],
  ['value', choice(['object', 'array', 'string', 'number', 'boolean', 'null'].map(rule))],
])

export function quoted(content: Expression): Expression {
  return sequence(text('"'), content, text('"'))
}

/** An object of any number of such members. */
export function members(member: Expression): Expression {
  return sequence(text('{'), separated(member, comma, 0), text('}'))
}

export function elements(element: Expression, least: number, most?: number): Expression {
  return sequence(text('['), separated(element, comma, least, most), text(']'))
}

/** A value as it stands. */
export function literal(value: unknown): Expression {
  return text(JSON.stringify(value))
}

/** The same texts as they stand within quotes. */
export function insideQuotes(expression: Expression): Expression {
  switch (expression.kind) {
    case 'text':
      return text(JSON.stringify(expression.text).slice(1, -1))
    case 'set':
      return escapedSet(expression.set)
    case 'sequence':
      return sequence(...expression.parts.map(insideQuotes))
    case 'choice':
      return choice(expression.options.map(insideQuotes))
    case 'repeat':
      return repeat(insideQuotes(expression.of), expression.least, expression.most)
    case 'rule':
      return expression
  }
}

function escapedSet(codes: CodeSet): Expression {
  const plain = intersection(codes, unescaped)
  const options: Expression[] = plain.length > 0 ? [set(plain)] : []
  for (const [from, to] of escaped) {
    for (let code = from; code <= to; code++) {
      if (contains(codes, code)) options.push(text(JSON.stringify(String.fromCodePoint(code)).slice(1, -1)))
    }
  }
  return choice(options)
}
