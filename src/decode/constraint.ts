import { OptionError } from '../base/errors.ts'
import type { LogitsRule } from './logits.ts'

/** Restricts what may come next: a grammar, a schema, a list of choices. A value: each sequence opens a state of its own. */
export interface Constraint {
  open(): Promise<ConstraintState>
}

/** Where one sequence stands. Whoever generates the sequence calls all of these, one at a time. */
export interface ConstraintState {
  /**
   * Tokens that may come next: bit `id & 31` of word `id >> 5`, absent words are zeros; undefined: all. Asked for once per token, while
   * the model computes its logits. End tokens are among them only where the text may end.
   */
  allowed(): Promise<Int32Array | undefined>
  /** Takes the chosen token; rejects when it was not allowed. Resolves once `finished` is known. */
  advance(token: number): Promise<void>
  /** The text is complete, and nothing but an end token could follow. */
  readonly finished: boolean
  /** Frees what the state holds, also while it is asked for something. */
  close(): Promise<void>
}

/** Throws OptionError when given something else than a constraint. */
export function checkConstraint(constraint: Constraint | undefined): void {
  if (constraint === undefined || typeof constraint?.open === 'function') return
  throw new OptionError('constraint is none', { expected: 'what a grammar compiler of nextx/grammars made' })
}

/** Excludes every token that the bits do not allow. Throws OptionError, when applied, where they allow none. */
export function constraintRule(allowed: Int32Array): LogitsRule {
  return function constraintMask(logits) {
    const masked = new Float32Array(logits.length).fill(Number.NEGATIVE_INFINITY)
    let count = 0
    for (let word = 0; word < allowed.length; word++) {
      for (let bits = allowed[word]!; bits !== 0; bits &= bits - 1) {
        const token = word * 32 + 31 - Math.clz32(bits & -bits)
        if (token >= logits.length) break
        masked[token] = logits[token]!
        count++
      }
    }
    if (count > 0) return masked
    throw new OptionError('the constraint allows no token of the vocabulary', {
      expected: 'a grammar whose texts the vocabulary can write',
    })
  }
}
