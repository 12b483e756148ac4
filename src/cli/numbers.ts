import { InvalidArgumentError } from 'commander'

type Parser = (text: string) => number

const wholePattern = /^[+-]?\d+$/
const decimalPattern = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i

/** Reads a whole number in [least, most]; refuses anything else as a usage error that says so. */
export function wholeNumber(least: number, most: number = Number.MAX_SAFE_INTEGER): Parser {
  const expected =
    most === Number.MAX_SAFE_INTEGER ? `a whole number of at least ${least}` : `a whole number from ${least} to ${most}`
  return parser(wholePattern, (value) => Number.isSafeInteger(value) && value >= least && value <= most, expected)
}

/** Reads a finite decimal number that `accepts` takes. */
export function decimal(expected: string, accepts: (value: number) => boolean = () => true): Parser {
  return parser(decimalPattern, (value) => Number.isFinite(value) && accepts(value), expected)
}

export const positive: Parser = decimal('a number above 0', (value) => value > 0)
export const notNegative: Parser = decimal('a number of at least 0', (value) => value >= 0)
export const anyNumber: Parser = decimal('a number')
/** From 0 to 1, both included. */
export const probability: Parser = decimal('a number from 0 to 1', (value) => value >= 0 && value <= 1)
/** From 0 (not included) to 1. */
export const positiveProbability: Parser = decimal('a number above 0, at most 1', (value) => value > 0 && value <= 1)
/** Between 0 and 1, neither included. */
export const fraction: Parser = decimal('a number between 0 and 1', (value) => value > 0 && value < 1)
/** From 0 to 1 (not included). */
export const decayRate: Parser = decimal('a number from 0 to below 1', (value) => value >= 0 && value < 1)
export const threadCount: Parser = wholeNumber(1, 1024)
export const seed: Parser = wholeNumber(0)

function parser(pattern: RegExp, accepts: (value: number) => boolean, expected: string): Parser {
  return (text) => {
    const value = Number(text)
    if (pattern.test(text) && accepts(value)) return value
    throw new InvalidArgumentError(`Expected ${expected}.`)
  }
}

/** Reads `28` or `28x32`: height and width, each of at least `least`. */
export function sides(least: number, unit: string): (text: string) => readonly [height: number, width: number] {
  const side = wholeNumber(least, 4096)
  return (text) => {
    const [, height, width] = /^(\d{1,5})(?:x(\d{1,5}))?$/.exec(text) ?? []
    if (height === undefined) throw new InvalidArgumentError(`Expected a number of ${unit}, or height x width such as 28x32.`)
    return [side(height), side(width ?? height)]
  }
}
