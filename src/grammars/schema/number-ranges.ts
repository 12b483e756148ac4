import { codeSet } from '../code-set.ts'
import { choice, type Expression, optional, repeat, sequence, set, text } from '../expression.ts'
import { mostDigits } from '../json-grammar.ts'

/** The largest integer of as many digits as are ever written. */
export const largestInteger = 10 ** mostDigits - 1

const digit = digits(0, 9)

/** Integers of [least, most], both integers within ±`largestInteger`; undefined where there are none. */
export function integersBetween(least: number, most: number): Expression | undefined {
  const options: Expression[] = []
  if (least < 0 && Math.min(most, -1) >= least) {
    options.push(sequence(text('-'), naturals(-Math.min(most, -1), -least)))
  }
  if (most >= 0 && most >= least) options.push(naturals(Math.max(0, least), most))
  return options.length > 0 ? choice(options) : undefined
}

export interface NumberBounds {
  readonly least: number
  readonly leastExcluded: boolean
  readonly most: number
  readonly mostExcluded: boolean
}

/** Decimal numbers without exponent between integers; undefined where there are none. */
export function numbersBetween({ least, leastExcluded, most, mostExcluded }: NumberBounds): Expression | undefined {
  const options: Expression[] = []
  if (least < 0) {
    // -0 equals 0.
    const negative = magnitudes(Math.max(0, -most), most <= 0 && mostExcluded, -least, leastExcluded)
    if (negative !== undefined) options.push(sequence(text('-'), negative))
  }
  if (most >= 0) {
    const positive = magnitudes(Math.max(0, least), least >= 0 && leastExcluded, most, mostExcluded)
    if (positive !== undefined) options.push(positive)
  }
  return options.length > 0 ? choice(options) : undefined
}

/**
 * Of [low, high], both natural numbers. Next to a bound that is excluded, fractions have so few digits that no number, read as a float64,
 * rounds onto it.
 */
function magnitudes(low: number, lowExcluded: boolean, high: number, highExcluded: boolean): Expression | undefined {
  const options: Expression[] = []
  /** Integers up to here have any fraction behind them. */
  const free = highExcluded ? high - 2 : high - 1
  if (low < high) {
    if (lowExcluded) options.push(...aboveExactly(low))
    else options.push(sequence(text(String(low)), low <= free ? fraction(mostDigits) : fraction(placesAt(high))))
    if (low + 1 <= free) options.push(sequence(naturals(low + 1, free), fraction(mostDigits)))
    if (highExcluded && low + 1 < high) options.push(sequence(text(String(high - 1)), fraction(placesAt(high))))
  }
  const exact = low < high ? !highExcluded : low === high && !lowExcluded && !highExcluded
  if (exact) options.push(sequence(text(String(high)), optional(text('.0'))))
  return options.length > 0 ? choice(options) : undefined
}

function aboveExactly(low: number): Expression[] {
  const places = placesAt(low + 1)
  return places > 0 ? [sequence(text(`${low}.`), repeat(text('0'), 0, places - 1), digits(1, 9))] : []
}

/** Decimals of which a number near this one has all, in a float64. */
function placesAt(value: number): number {
  return mostDigits - String(value).length
}

function fraction(places: number): Expression {
  return places > 0 ? optional(sequence(text('.'), repeat(digit, 1, places))) : text('')
}

/** Without leading zeros. */
function naturals(low: number, high: number): Expression {
  const options: Expression[] = []
  for (let length = String(low).length; length <= String(high).length; length++) {
    const [first, last] = [length === 1 ? 0 : 10 ** (length - 1), 10 ** length - 1]
    options.push(between(String(Math.max(low, first)), String(Math.min(high, last))))
  }
  return choice(options)
}

/** Digits between two of the same length. */
function between(low: string, high: string): Expression {
  if (low === high) return text(low)
  const [first, last, rest] = [Number(low[0]), Number(high[0]), low.length - 1]
  if (rest === 0) return digits(first, last)
  const [lowRest, highRest] = [low.slice(1), high.slice(1)]
  if (first === last) return sequence(text(low[0]!), between(lowRest, highRest))
  const [smallest, largest] = ['0'.repeat(rest), '9'.repeat(rest)]
  const options: Expression[] = []
  let [from, to] = [first, last]
  if (lowRest !== smallest) options.push(sequence(text(String(from++)), between(lowRest, largest)))
  if (highRest !== largest) options.push(sequence(text(String(to--)), between(smallest, highRest)))
  if (from <= to) options.push(sequence(digits(from, to), repeat(digit, rest, rest)))
  return choice(options)
}

function digits(from: number, to: number): Expression {
  return set(codeSet([[0x30 + from, 0x30 + to]]))
}
