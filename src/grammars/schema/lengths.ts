import type { Expression } from '../expression.ts'

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
