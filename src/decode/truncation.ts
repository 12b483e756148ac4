import { checkInteger, checkNumber } from './checks.ts'
import { checkLogits, type LogitsRule, logSoftmax, softmaxWeights } from './logits.ts'
import { keepOnly, leadingIds } from './selection.ts'

/**
 * Divides logits by `t` (above 0; below 1 sharpens, above 1 flattens), after shifting the largest to 0 so that no `t` overflows.
 * For greedy decoding use `greedyToken`. Throws OptionError when `t` is out of range.
 */
export function temperature(t: number): LogitsRule {
  checkNumber('temperature', t, (value) => value > 0 && value < Number.POSITIVE_INFINITY, 'a finite number above 0')
  return function temperatureRule(logits) {
    if (t === 1) return logits
    const largest = checkLogits(logits)
    const scaled = new Float32Array(logits.length)
    for (let id = 0; id < logits.length; id++) scaled[id] = (logits[id]! - largest) / t
    return scaled
  }
}

/** Keeps the `count` most likely tokens, ties by rising id. Throws OptionError unless `count` is an integer of at least 1. */
export function topK(count: number): LogitsRule {
  checkInteger('topK', count, 1)
  return function topKRule(logits) {
    checkLogits(logits)
    return count >= logits.length ? logits : keepOnly(logits, leadingIds(logits, count))
  }
}

/**
 * Nucleus sampling: keeps the fewest most likely tokens whose probabilities reach `mass`, the crossing one included and at least
 * one. Throws OptionError unless `mass` is in [0, 1].
 */
export function topP(mass: number): LogitsRule {
  checkNumber('topP', mass, (value) => value >= 0 && value <= 1, 'a number in [0, 1]')
  return function topPRule(logits) {
    const { weights, total } = softmaxWeights(logits)
    if (mass === 1) return logits
    return keepOnly(logits, leadingIds(logits, Math.max(mass * total, Number.MIN_VALUE), weights))
  }
}

/** Keeps the tokens at least `ratio` times as likely as the likeliest. Throws OptionError unless `ratio` is in [0, 1]. */
export function minP(ratio: number): LogitsRule {
  checkNumber('minP', ratio, (value) => value >= 0 && value <= 1, 'a number in [0, 1]')
  const margin = Math.log(ratio)
  return function minPRule(logits) {
    const largest = checkLogits(logits)
    return logits.map((logit) => (logit - largest >= margin ? logit : Number.NEGATIVE_INFINITY))
  }
}

/**
 * Locally typical sampling: keeps the tokens whose surprisal −ln P is nearest to the entropy, as few as reach `mass` (the crossing
 * one included), yet at least `minKeep`. Ties (to float32) by rising id. The likeliest token may be dropped. Throws OptionError
 * unless `mass` is in (0, 1] and `minKeep` an integer of at least 1.
 * Reference: Meister, Pimentel, Wiher, Cotterell, "Locally typical sampling", TACL 2023.
 */
export function typicalP(mass: number, { minKeep = 1 }: { readonly minKeep?: number } = {}): LogitsRule {
  checkNumber('typicalP', mass, (value) => value > 0 && value <= 1, 'a number in (0, 1]')
  checkInteger('minKeep', minKeep, 1)
  return function typicalPRule(logits) {
    const logProbs = logSoftmax(logits)
    if (mass === 1) return logits
    const probabilities = logProbs.map(Math.exp)
    const entropy = -probabilities.reduce((sum, p, id) => (p === 0 ? sum : sum + p * logProbs[id]!), 0)
    const nearness = Float32Array.from(logProbs, (logProb) => -Math.abs(-logProb - entropy))
    const typical = leadingIds(nearness, mass, probabilities)
    return keepOnly(logits, typical.length < minKeep ? leadingIds(nearness, minKeep) : typical)
  }
}
