import { choice, type Expression, repeat, sequence } from '../expression.ts'

/** Characters (code points) of the shortest and the longest text; `most` is Infinity where there is no longest one. */
export interface Lengths {
  readonly least: number
  readonly most: number
}

/** Of an expression without rules. */
export function lengthsOf(expression: Expression): Lengths {
  switch (expression.kind) {
    case 'text':
      return exactly([...expression.text].length)
    case 'set':
      return exactly(1)
    case 'sequence':
      return expression.parts.map(lengthsOf).reduce((a, b) => ({ least: a.least + b.least, most: a.most + b.most }), exactly(0))
    case 'choice':
      return ofAny(expression.options.map(lengthsOf))
    case 'repeat': {
      const { least, most } = lengthsOf(expression.of)
      return { least: times(least, expression.least), most: times(most, expression.most ?? Number.POSITIVE_INFINITY) }
    }
    case 'rule':
      return { least: 0, most: Number.POSITIVE_INFINITY }
  }
}

function exactly(length: number): Lengths {
  return { least: length, most: length }
}

function ofAny(options: readonly Lengths[]): Lengths {
  return options.length === 0
    ? exactly(0)
    : { least: Math.min(...options.map(({ least }) => least)), most: Math.max(...options.map(({ most }) => most)) }
}

/** Where 0 · ∞ is 0. */
function times(length: number, count: number): number {
  return length === 0 || count === 0 ? 0 : length * count
}

/**
 * Some of the texts, none longer than `most`: counts of repetitions end earlier. Undefined where this says too little, as for
 * repetitions within repetitions.
 */
export function shortenedTo(expression: Expression, most: number): Expression | undefined {
  const lengths = lengthsOf(expression)
  if (lengths.most <= most) return expression
  if (lengths.least > most) return undefined
  switch (expression.kind) {
    case 'choice': {
      const options = expression.options.map((option) => shortenedTo(option, most)).filter((option) => option !== undefined)
      return options.length > 0 ? choice(options) : undefined
    }
    case 'sequence':
      return shortenedSequence(expression.parts, most)
    case 'repeat': {
      const count = Math.floor(most / lengthsOf(expression.of).most)
      return count > 0 && count >= expression.least ? repeat(expression.of, expression.least, count) : undefined
    }
    default:
      return undefined
  }
}

/** Parts without a longest text share evenly what the others leave. */
function shortenedSequence(parts: readonly Expression[], most: number): Expression | undefined {
  const lengths = parts.map(lengthsOf)
  const endless = lengths.filter((each) => each.most === Number.POSITIVE_INFINITY).length
  const taken = lengths.reduce((sum, each) => sum + (each.most === Number.POSITIVE_INFINITY ? each.least : each.most), 0)
  if (endless === 0 || taken > most) return undefined
  const share = Math.floor((most - taken) / endless)
  const shorter = parts.map((part, i) => {
    const { least, most: longest } = lengths[i]!
    return longest === Number.POSITIVE_INFINITY ? shortenedTo(part, least + share) : part
  })
  return shorter.every((part) => part !== undefined) ? sequence(...shorter) : undefined
}
