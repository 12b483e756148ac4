import { choice, type Expression, repeat, rule } from '../expression.ts'
import { character, insideQuotes, quoted } from '../json-grammar.ts'
import { searchedRegex } from '../regex.ts'
import { type Format, formatNamed, formatNames, isNote, plainPattern } from './formats.ts'
import { isWithin, type ProofBudget } from './inclusion.ts'
import { lengthsOf, shortenedTo } from './lengths.ts'
import { below, count, keyword, refused, type SchemaObject } from './schema-source.ts'

/** What is asked of a string. */
interface Shape {
  readonly pattern: Expression | undefined
  readonly format: Format | undefined
  readonly least: number
  readonly most: number | undefined
}

/** Reads the strings of one schema. */
export class StringReader {
  /** Of all strings together: some tenths of a second at most; a format of zod's takes less than 10,000. */
  readonly #budget: ProofBudget = { steps: 200_000 }
  /** By their keywords: generated schemas say the same of many strings. */
  readonly #known = new Map<string, Expression>()

  /** Throws OptionError where keywords are not honoured, or not together. */
  read(schema: SchemaObject, pointer: string): Expression {
    const key = JSON.stringify(['pattern', 'format', 'minLength', 'maxLength'].map((name) => keyword(schema, name)))
    const known = this.#known.get(key)
    if (known !== undefined) return known
    const expression = this.#ofShape(shapeOf(schema, pointer), pointer)
    this.#known.set(key, expression)
    return expression
  }

  #ofShape(shape: Shape, pointer: string): Expression {
    const { pattern, format, least, most } = shape
    if (pattern !== undefined || format !== undefined) return quoted(insideQuotes(this.#chosen(shape, pointer)))
    if (least === 0 && most === undefined) return rule('string')
    return most !== undefined && most < least ? choice([]) : quoted(repeat(character, least, most))
  }

  /** What the format writes, or what the pattern says: the first that keeps to all of them. */
  #chosen({ pattern, format, least, most }: Shape, pointer: string): Expression {
    const candidates = [...(format?.written ?? []), ...(pattern === undefined ? [] : [pattern])]
    const shape = pattern === undefined ? 'format' : 'pattern'
    const longEnough = candidates.filter((each) => lengthsOf(each).least >= least)
    if (longEnough.length === 0) throw apart('minLength', shape, pointer)
    const fitting = most === undefined ? longEnough : shortEnough(longEnough, most)
    if (fitting.length === 0) throw apart('maxLength', shape, pointer)
    const found = fitting.find((each) => this.#isOfBoth(each, pattern, format))
    if (found === undefined) throw apart('format', 'pattern', pointer)
    return found
  }

  #isOfBoth(candidate: Expression, pattern: Expression | undefined, format: Format | undefined): boolean {
    if (pattern === undefined || format === undefined) return true
    const ofPattern = candidate === pattern || isWithin(candidate, pattern, this.#budget)
    return ofPattern && (format.written.includes(candidate) || isWithin(candidate, format.valid, this.#budget))
  }
}

/** Those that are, then those that can be made so. */
function shortEnough(candidates: readonly Expression[], most: number): readonly Expression[] {
  const fitting = candidates.filter((each) => lengthsOf(each).most <= most)
  const shortened = candidates.filter((each) => !fitting.includes(each)).map((each) => shortenedTo(each, most))
  return [...fitting, ...shortened.filter((each) => each !== undefined)]
}

function apart(name: string, other: string, pointer: string) {
  return refused(
    below(pointer, name),
    `is not supported beside this ${other}`,
    'a pattern whose texts are all valid, such as one with counts instead of + and *',
  )
}

function shapeOf(schema: SchemaObject, pointer: string): Shape {
  const pattern = patternOf(schema, pointer)
  return {
    pattern,
    format: formatOf(schema, pattern !== undefined, pointer),
    least: count(schema, 'minLength', pointer) ?? 0,
    most: count(schema, 'maxLength', pointer),
  }
}

function patternOf(schema: SchemaObject, pointer: string): Expression | undefined {
  const pattern = keyword(schema, 'pattern')
  if (pattern === undefined) return undefined
  if (typeof pattern !== 'string') throw refused(below(pointer, 'pattern'), 'is no text')
  return plainPattern(pattern) ?? searchedRegex(pattern, `the schema's ${below(pointer, 'pattern')}`)
}

function formatOf(schema: SchemaObject, besidePattern: boolean, pointer: string): Format | undefined {
  const name = keyword(schema, 'format')
  if (name === undefined) return undefined
  const format = typeof name === 'string' ? formatNamed(name) : undefined
  if (format !== undefined) return format
  if (typeof name === 'string' && isNote(name, besidePattern)) return undefined
  throw refused(below(pointer, 'format'), 'is not supported', `one of ${formatNames.join(', ')}`)
}
