import { OptionError } from '../base/errors.ts'
import type { LogitsRule } from './logits.ts'
import { frequencyPenalty, logitBias, noRepeatNgram, presencePenalty, repetitionPenalty } from './penalties.ts'
import { minP, temperature, topK, topP, typicalP } from './truncation.ts'

/** The logits pipeline as plain options. What is left out does nothing. */
export interface LogitsOptions {
  /** Added to the logits of these tokens; −∞ excludes one. */
  readonly logitBias?: ReadonlyMap<number, number> | undefined
  /** Above 0, 1 does nothing; see `repetitionPenalty`. */
  readonly repetitionPenalty?: number | undefined
  /** Per occurrence among the generated tokens; see `frequencyPenalty`. */
  readonly frequencyPenalty?: number | undefined
  /** Once for every generated token; see `presencePenalty`. */
  readonly presencePenalty?: number | undefined
  /** No run of this many tokens occurs twice. */
  readonly noRepeatNgram?: number | undefined
  /** Rules of your own (constraints, guidance), applied in their order before the temperature. */
  readonly rules?: readonly LogitsRule[] | undefined
  /** 0 takes the likeliest token that the other rules leave. Default 1. */
  readonly temperature?: number | undefined
  /** In (0, 1]; see `typicalP`. */
  readonly typicalP?: number | undefined
  /** At least 1; see `topK`. */
  readonly topK?: number | undefined
  /** In [0, 1]; see `topP`. */
  readonly topP?: number | undefined
  /** In [0, 1]; see `minP`. */
  readonly minP?: number | undefined
}

/**
 * The rules that the options ask for, always in this order: bias, repetition, frequency and presence penalty, n-grams, own rules,
 * temperature, typical, top-k, top-p, min-p. Temperature 0 adds no rule: the caller takes `greedyToken` of the result. Throws
 * OptionError when an option is out of range.
 * @example
 * const rules = logitsRules({ temperature: 0.8, topP: 0.95 })
 */
export function logitsRules(options: LogitsOptions): LogitsRule[] {
  return [...adjustments(options), ...truncations(options)]
}

/** The rules that weigh or exclude tokens one by one. */
export function adjustments(options: LogitsOptions): LogitsRule[] {
  return [
    ...rule(logitBias, options.logitBias),
    ...rule(repetitionPenalty, options.repetitionPenalty),
    ...rule(frequencyPenalty, options.frequencyPenalty),
    ...rule(presencePenalty, options.presencePenalty),
    ...rule(noRepeatNgram, options.noRepeatNgram),
    ...ownRules(options.rules),
  ]
}

/** The rules that compare tokens with one another. They always leave one of those that they are given. */
export function truncations(options: LogitsOptions): LogitsRule[] {
  return [
    ...(options.temperature === 0 ? [] : rule(temperature, options.temperature)),
    ...rule(typicalP, options.typicalP),
    ...rule(topK, options.topK),
    ...rule(topP, options.topP),
    ...rule(minP, options.minP),
  ]
}

function rule<Value>(build: (value: Value) => LogitsRule, value: Value | undefined): LogitsRule[] {
  return value === undefined ? [] : [build(value)]
}

function ownRules(rules: readonly LogitsRule[] | undefined): readonly LogitsRule[] {
  if (rules === undefined) return []
  if (Array.isArray(rules) && rules.every((own) => typeof own === 'function')) return rules
  throw new OptionError('rules is not a list of functions', { expected: '(logits, context) => logits, any number of them' })
}
