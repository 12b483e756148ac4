import * as v from 'valibot'
import { wholeNumber } from '../base/options.ts'
import type { EngineGenerateOptions } from '../engine/index.ts'
import { invalid } from './api-error.ts'
import type { ServeLimits } from './limits.ts'

const between = (least: number, most: number) => v.pipe(v.number(), v.finite(), v.minValue(least), v.maxValue(most))

/** Below this a bias bans its token, as OpenAI says. */
const ban = -100

/** Fields of every request that generates text. */
export function samplingFields(limits: ServeLimits) {
  const stop = v.pipe(v.string(), v.minLength(1), v.maxLength(limits.stopCharacters))
  return {
    model: v.string(),
    stream: v.optional(v.boolean(), false),
    stream_options: v.optional(
      v.strictObject({ include_usage: v.optional(v.boolean(), false), include_obfuscation: v.optional(v.literal(false)) }),
    ),
    n: v.optional(wholeNumber(1, limits.choices), 1),
    temperature: v.optional(between(0, 2)),
    top_p: v.optional(between(0, 1)),
    top_k: v.optional(wholeNumber(1)),
    min_p: v.optional(between(0, 1)),
    typical_p: v.optional(v.pipe(between(0, 1), v.gtValue(0))),
    repetition_penalty: v.optional(v.pipe(between(0, 100), v.gtValue(0))),
    frequency_penalty: v.optional(between(-2, 2)),
    presence_penalty: v.optional(between(-2, 2)),
    no_repeat_ngram: v.optional(wholeNumber(1)),
    logit_bias: v.optional(
      v.pipe(
        v.record(v.pipe(v.string(), v.regex(/^\d{1,9}$/, 'expected ids of tokens')), between(-100, 100)),
        v.maxEntries(limits.logitBias),
      ),
    ),
    seed: v.optional(v.pipe(v.number(), v.safeInteger())),
    stop: v.optional(
      v.union(
        [stop, v.pipe(v.array(stop), v.maxLength(limits.stops))],
        `expected texts, at most ${limits.stops} of at most ${limits.stopCharacters} characters`,
      ),
    ),
    priority: v.optional(v.pipe(v.number(), v.safeInteger(), v.minValue(-10), v.maxValue(10))),
    /** Goes on past the tokens that end a text. */
    ignore_eos: v.optional(v.boolean()),
    /** Kept states are shared only among requests that name the same one. */
    user: v.optional(v.pipe(v.string(), v.maxLength(256))),
    safety_identifier: v.optional(v.pipe(v.string(), v.maxLength(256))),
    prompt_cache_key: v.optional(v.pipe(v.string(), v.maxLength(256))),
    regex: v.optional(v.string()),
    grammar: v.optional(v.string()),
    choices: v.optional(v.pipe(v.array(v.pipe(v.string(), v.minLength(1))), v.minLength(1))),
  }
}

const samplingShape = (limits: ServeLimits) => v.strictObject(samplingFields(limits))

/** What the fields of a request say, checked. */
export type SamplingFields = v.InferOutput<ReturnType<typeof samplingShape>>

/** What the engine takes of them. A request without a seed draws one. */
export function engineOptionsOf(fields: Omit<SamplingFields, 'n'>): EngineGenerateOptions {
  return {
    temperature: fields.temperature,
    topP: fields.top_p,
    topK: fields.top_k,
    minP: fields.min_p,
    typicalP: fields.typical_p,
    repetitionPenalty: fields.repetition_penalty,
    frequencyPenalty: fields.frequency_penalty,
    presencePenalty: fields.presence_penalty,
    noRepeatNgram: fields.no_repeat_ngram,
    logitBias: fields.logit_bias && new Map(Object.entries(fields.logit_bias).map(([id, bias]) => [Number(id), biasOf(bias)])),
    priority: fields.priority,
  }
}

function biasOf(bias: number): number {
  return bias <= ban ? Number.NEGATIVE_INFINITY : bias
}

/** Tokens that end an answer; undefined: the tokenizer's. */
export function stopTokensOf({ ignore_eos }: Pick<SamplingFields, 'ignore_eos'>): readonly number[] | undefined {
  return ignore_eos === true ? [] : undefined
}

export function stopsOf({ stop }: Pick<SamplingFields, 'stop'>): readonly string[] {
  return stop === undefined ? [] : typeof stop === 'string' ? [stop] : stop
}

/** Answer i of a request has seed + i; the sum wraps at 2^64, as seeds below 0 do. */
export function seedOf(seed: number | undefined, choice: number): bigint {
  const first = seed === undefined ? BigInt(crypto.getRandomValues(new Uint32Array(1))[0]!) << 16n : BigInt(seed)
  return BigInt.asUintN(64, first + BigInt(choice))
}

/** Throws ApiError where `stream_options` are given without a stream. */
export function checkStream({ stream, stream_options }: Pick<SamplingFields, 'stream' | 'stream_options'>): void {
  if (stream_options !== undefined && !stream) throw invalid('stream_options', 'stream_options do nothing without stream')
}
