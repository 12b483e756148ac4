import { NonFiniteError, OptionError, ShapeError } from '../base/errors.ts'

/** What a rule may look at besides the logits. */
export interface DecodeContext {
  /** The prompt and everything generated so far. Valid during the call: copy what is to be kept. */
  readonly tokens: readonly number[]
  /** How many of `tokens` are the prompt. */
  readonly promptLength: number
}

/**
 * A step of the logits pipeline: `[vocabulary]` to `[vocabulary]`, natural-log units, −∞ = token excluded. It never writes to its
 * input; it may return it when nothing changes.
 */
export type LogitsRule = (logits: Float32Array, context: DecodeContext) => Float32Array

/**
 * Applies rules in their order. Throws NonFiniteError when the model's logits or a rule's result hold NaN or +∞, or when the model
 * leaves no token possible; OptionError when a rule leaves none; ShapeError when a rule changes the length.
 * @example
 * const logits = applyRules([temperature(0.8), topK(40)], output.logits, { tokens, promptLength })
 */
export function applyRules(rules: readonly LogitsRule[], logits: Float32Array, context: DecodeContext): Float32Array {
  checkLogits(logits)
  let current = logits
  for (const [index, rule] of rules.entries()) {
    const next = rule(current, context)
    if (next !== current) checkResult(next, logits.length, `rule ${index} (${rule.name || 'anonymous'})`)
    current = next
  }
  return current
}

/**
 * ln softmax of the logits, summed in float64. Throws NonFiniteError as `applyRules` does.
 * @example
 * logSoftmax(Float32Array.of(0, 0))[1] // −0.693…
 */
export function logSoftmax(logits: Float32Array): Float64Array {
  const logProbOf = logProbReader(logits)
  return Float64Array.from(logits, (_, token) => logProbOf(token))
}

/** Entries of `logSoftmax(logits)`, one at a time. Throws NonFiniteError as `applyRules` does. */
export function logProbReader(logits: Float32Array): (token: number) => number {
  const largest = checkLogits(logits)
  let sum = 0
  for (let id = 0; id < logits.length; id++) sum += Math.exp(logits[id]! - largest)
  const logSum = Math.log(sum)
  return (token) => logits[token]! - largest - logSum
}

/** exp of anything below is 0 in float64. */
const smallestExponent = -746

/** exp(logit − largest) of every token, and their sum by rising id, in float64. Throws NonFiniteError as `applyRules` does. */
export function softmaxWeights(logits: Float32Array): { readonly weights: Float64Array; readonly total: number } {
  const largest = checkLogits(logits)
  const weights = new Float64Array(logits.length)
  let total = 0
  for (let id = 0; id < logits.length; id++) {
    const exponent = logits[id]! - largest
    if (exponent < smallestExponent) continue
    weights[id] = Math.exp(exponent)
    total += weights[id]!
  }
  return { weights, total }
}

/** The largest logit. Throws NonFiniteError when a logit is NaN or +∞, or when none is finite. */
export function checkLogits(logits: Float32Array): number {
  const largest = largestLogit(logits, 'the model')
  if (largest > Number.NEGATIVE_INFINITY) return largest
  throw new NonFiniteError('no logit is finite', { expected: 'at least one possible token' })
}

function checkResult(logits: unknown, length: number, source: string): void {
  if (!(logits instanceof Float32Array) || logits.length !== length) {
    throw new ShapeError(`${source} did not return logits for the whole vocabulary`, { expected: `a Float32Array of ${length}` })
  }
  if (largestLogit(logits, source) > Number.NEGATIVE_INFINITY) return
  throw new OptionError(`${source} left no token possible`, { fix: 'loosen the rules that exclude tokens' })
}

/** NaN loses every comparison, hence the negation. */
function largestLogit(logits: Float32Array, source: string): number {
  let largest = Number.NEGATIVE_INFINITY
  for (let id = 0; id < logits.length; id++) {
    const logit = logits[id]!
    if (!(logit < Number.POSITIVE_INFINITY)) {
      throw new NonFiniteError(`${source} gave the logit ${logit} for token ${id}`, { expected: 'finite numbers or −∞' })
    }
    if (logit > largest) largest = logit
  }
  return largest
}
