import type { CodeSet } from './code-set.ts'

/** What texts are made of. */
export type Expression =
  /** Well-formed Unicode, possibly empty. */
  | { readonly kind: 'text'; readonly text: string }
  /** One of these characters. */
  | { readonly kind: 'set'; readonly set: CodeSet }
  | { readonly kind: 'sequence'; readonly parts: readonly Expression[] }
  | { readonly kind: 'choice'; readonly options: readonly Expression[] }
  /** `most` undefined: any number. */
  | { readonly kind: 'repeat'; readonly of: Expression; readonly least: number; readonly most: number | undefined }
  | { readonly kind: 'rule'; readonly name: string }

/** Rules by name; texts are those of the root. */
export interface Grammar {
  readonly root: string
  readonly rules: ReadonlyMap<string, Expression>
}

export function text(value: string): Expression {
  return { kind: 'text', text: value }
}

export function set(codes: CodeSet): Expression {
  return { kind: 'set', set: codes }
}

export function sequence(...parts: readonly Expression[]): Expression {
  return parts.length === 1 ? parts[0]! : { kind: 'sequence', parts }
}

/** Without options: nothing matches. */
export function choice(options: readonly Expression[]): Expression {
  return options.length === 1 ? options[0]! : { kind: 'choice', options }
}

export function repeat(of: Expression, least: number, most?: number): Expression {
  return { kind: 'repeat', of, least, most }
}

export function optional(of: Expression): Expression {
  return choice([of, text('')])
}

export function rule(name: string): Expression {
  return { kind: 'rule', name }
}

/** `of`, `between`, `of`, …: so many times `of`. */
export function separated(of: Expression, between: Expression, least: number, most?: number): Expression {
  if (most === 0) return text('')
  const rest = repeat(sequence(between, of), Math.max(0, least - 1), most === undefined ? undefined : most - 1)
  return least === 0 ? optional(sequence(of, rest)) : sequence(of, rest)
}

/** Longest count that is written out one by one; beyond it characters are counted in blocks. */
const mostSingles = 31
export const blockLength = 16

/** How a repetition is counted: so many blocks, then so many singles. */
export interface Counting {
  readonly blocks: number
  readonly singles: number
}

/**
 * Exactly, or at most, so many times. Each place of a long run of characters is a state of its own to compile; blocks have theirs once.
 * `atMost`: the last ones of a long count are left out, so that every count below it can be reached.
 */
export function countingOf(of: Expression, count: number, atMost: boolean): Counting {
  if (count <= mostSingles || !isCharacters(of)) return { blocks: 0, singles: count }
  const blocks = Math.floor(count / blockLength)
  return atMost ? { blocks: blocks - 1, singles: blockLength } : { blocks, singles: count - blocks * blockLength }
}

function isCharacters(expression: Expression): boolean {
  switch (expression.kind) {
    case 'rule':
      return false
    case 'sequence':
      return expression.parts.every(isCharacters)
    case 'choice':
      return expression.options.every(isCharacters)
    case 'repeat':
      return isCharacters(expression.of)
    default:
      return true
  }
}
