import { DataError, OptionError } from '../base/errors.ts'
import { checkInteger, checkNumber, checkToken } from './checks.ts'
import type { LogitsRule } from './logits.ts'
import { keepOnly } from './selection.ts'

/**
 * Makes tokens of the prompt and the generated text less likely (penalty above 1) or more likely (below 1): their positive logits
 * are divided by the penalty, their negative ones multiplied. Throws OptionError unless the penalty is finite and above 0.
 * Reference: Keskar et al., "CTRL", 2019, section 4.1, with the division made a multiplication below 0 as in Hugging Face
 * transformers.
 */
export function repetitionPenalty(penalty: number): LogitsRule {
  checkNumber('repetitionPenalty', penalty, (value) => value > 0 && value < Number.POSITIVE_INFINITY, 'a finite number above 0')
  return function repetitionPenaltyRule(logits, { tokens }) {
    return adjusted(logits, countsOf(tokens, logits.length), (logit) => (logit > 0 ? logit / penalty : logit * penalty))
  }
}

/**
 * Subtracts `penalty` times the number of occurrences, as the OpenAI API defines it: among generated tokens only, the prompt does
 * not count. Throws OptionError unless the penalty is finite.
 */
export function frequencyPenalty(penalty: number): LogitsRule {
  checkNumber('frequencyPenalty', penalty, Number.isFinite, 'a finite number')
  return function frequencyPenaltyRule(logits, { tokens, promptLength }) {
    return adjusted(logits, countsOf(tokens.slice(promptLength), logits.length), (logit, count) => logit - penalty * count)
  }
}

/**
 * Subtracts `penalty` once from every token generated so far, as the OpenAI API defines it; the prompt does not count. Throws
 * OptionError unless the penalty is finite.
 */
export function presencePenalty(penalty: number): LogitsRule {
  checkNumber('presencePenalty', penalty, Number.isFinite, 'a finite number')
  return function presencePenaltyRule(logits, { tokens, promptLength }) {
    return adjusted(logits, countsOf(tokens.slice(promptLength), logits.length), (logit) => logit - penalty)
  }
}

/**
 * Excludes every token that would complete a run of `size` tokens which the prompt and the generated text already hold. Throws
 * OptionError unless `size` is an integer of at least 1.
 */
export function noRepeatNgram(size: number): LogitsRule {
  checkInteger('noRepeatNgram', size, 1)
  return function noRepeatNgramRule(logits, { tokens }) {
    const repeated = new Set<number>()
    const last = tokens.length - size + 1
    for (let start = 0; start < last; start++) {
      let same = 0
      while (same < size - 1 && tokens[start + same] === tokens[last + same]) same++
      if (same === size - 1) repeated.add(tokens[start + size - 1]!)
    }
    return excluded(logits, repeated)
  }
}

/**
 * Adds a bias to the logits of these tokens; −∞ excludes one. Throws OptionError when a bias is NaN or +∞, and when applied to a
 * vocabulary that lacks one of the tokens.
 */
export function logitBias(biases: ReadonlyMap<number, number>): LogitsRule {
  if (!(biases instanceof Map)) throw new OptionError('logitBias is not a Map', { expected: 'a Map from token ids to numbers' })
  const entries = new Map(biases)
  for (const bias of entries.values()) {
    checkNumber('logitBias', bias, (value) => value < Number.POSITIVE_INFINITY, 'a finite number or −∞')
  }
  return function logitBiasRule(logits) {
    checkIds('logitBias', entries.keys(), logits.length)
    return adjusted(logits, entries, (logit, bias) => logit + bias)
  }
}

/** Excludes these tokens. Throws OptionError when applied to a vocabulary that lacks one of them. */
export function forbid(tokens: Iterable<number>): LogitsRule {
  const ids = new Set(tokens)
  return function forbidRule(logits) {
    checkIds('forbid', ids, logits.length)
    return excluded(logits, ids)
  }
}

/** Excludes all but these tokens. Throws OptionError when there are none, or when applied to a vocabulary that lacks one of them. */
export function allow(tokens: Iterable<number>): LogitsRule {
  const ids = new Set(tokens)
  if (ids.size === 0) throw new OptionError('allow has no tokens', { expected: 'at least one token id' })
  return function allowRule(logits) {
    checkIds('allow', ids, logits.length)
    return keepOnly(logits, ids)
  }
}

/** A copy in which `change(logit, value)` replaces the logit of every id of `values`. */
function adjusted(logits: Float32Array, values: ReadonlyMap<number, number>, change: (logit: number, value: number) => number) {
  const copy = logits.slice()
  for (const [id, value] of values) copy[id] = change(copy[id]!, value)
  return copy
}

function excluded(logits: Float32Array, ids: Iterable<number>): Float32Array {
  const copy = logits.slice()
  for (const id of ids) copy[id] = Number.NEGATIVE_INFINITY
  return copy
}

function countsOf(tokens: readonly number[], vocabularySize: number): Map<number, number> {
  const counts = new Map<number, number>()
  for (const token of tokens) counts.set(token, (counts.get(token) ?? 0) + 1)
  for (const token of counts.keys()) checkToken('the context', token, vocabularySize)
  return counts
}

/** The ids are an option here, not data: same check, other error. */
function checkIds(option: string, ids: Iterable<number>, vocabularySize: number): void {
  try {
    for (const id of ids) checkToken(option, id, vocabularySize)
  } catch (error) {
    throw error instanceof DataError ? new OptionError(error.message, { cause: error }) : error
  }
}
