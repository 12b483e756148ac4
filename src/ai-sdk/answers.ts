import type { JSONObject, LanguageModelV3FinishReason, LanguageModelV3Usage, SharedV3ProviderMetadata } from '@ai-sdk/provider'
import * as v from 'valibot'

// The answers of a service, as far as they are read: OpenAI's shapes.

const usage = v.looseObject({
  prompt_tokens: v.number(),
  completion_tokens: v.optional(v.number()),
  total_tokens: v.number(),
  prompt_tokens_details: v.optional(v.nullable(v.looseObject({ cached_tokens: v.optional(v.number()) }))),
})

export type WireUsage = v.InferOutput<typeof usage>

const logprobs = v.optional(v.nullable(v.looseObject({ content: v.optional(v.nullable(v.array(v.unknown()))) })))

export type WireLogprobs = v.InferOutput<typeof logprobs>

const head = { id: v.string(), created: v.number(), model: v.string() }

export type WireHead = { readonly id: string; readonly created: number; readonly model: string }

export const chatAnswer = v.looseObject({
  ...head,
  choices: v.pipe(
    v.array(
      v.looseObject({
        message: v.looseObject({
          content: v.optional(v.nullable(v.string())),
          tool_calls: v.optional(
            v.array(v.looseObject({ id: v.string(), function: v.looseObject({ name: v.string(), arguments: v.string() }) })),
          ),
        }),
        logprobs,
        finish_reason: v.string(),
      }),
    ),
    v.minLength(1),
  ),
  usage,
})

export const chatChunk = v.looseObject({
  ...head,
  choices: v.array(
    v.looseObject({
      delta: v.looseObject({
        content: v.optional(v.nullable(v.string())),
        tool_calls: v.optional(
          v.array(
            v.looseObject({
              index: v.number(),
              id: v.optional(v.string()),
              function: v.optional(v.looseObject({ name: v.optional(v.string()), arguments: v.optional(v.string()) })),
            }),
          ),
        ),
      }),
      logprobs,
      finish_reason: v.optional(v.nullable(v.string())),
    }),
  ),
  usage: v.optional(v.nullable(usage)),
})

export const completionAnswer = v.looseObject({
  ...head,
  choices: v.pipe(v.array(v.looseObject({ text: v.string(), logprobs: v.unknown(), finish_reason: v.string() })), v.minLength(1)),
  usage,
})

export const completionChunk = v.looseObject({
  ...head,
  choices: v.array(v.looseObject({ text: v.string(), finish_reason: v.optional(v.nullable(v.string())) })),
  usage: v.optional(v.nullable(usage)),
})

export const embeddingAnswer = v.looseObject({
  data: v.array(v.looseObject({ embedding: v.array(v.number()) })),
  usage,
})

export const imageAnswer = v.looseObject({ created: v.number(), data: v.array(v.looseObject({ b64_json: v.string() })) })

const reasons: ReadonlyMap<string, LanguageModelV3FinishReason['unified']> = new Map([
  ['stop', 'stop'],
  ['length', 'length'],
  ['tool_calls', 'tool-calls'],
  ['content_filter', 'content-filter'],
])

export function finishOf(raw: string | undefined): LanguageModelV3FinishReason {
  return { unified: reasons.get(raw ?? '') ?? 'other', raw }
}

export function usageOf(wire: WireUsage | undefined): LanguageModelV3Usage {
  const prompt = wire?.prompt_tokens
  const cached = wire?.prompt_tokens_details?.cached_tokens
  const generated = wire?.completion_tokens
  return {
    inputTokens: {
      total: prompt,
      noCache: prompt === undefined ? undefined : prompt - (cached ?? 0),
      cacheRead: cached,
      cacheWrite: undefined,
    },
    outputTokens: { total: generated, text: generated, reasoning: undefined },
    ...(wire && { raw: wire as JSONObject }),
  }
}

export function metadataOf({ id, created, model }: WireHead) {
  return { id, timestamp: new Date(created * 1000), modelId: model }
}

/** `providerMetadata` of tokens whose log-probabilities were asked for. */
export function logprobMetadata(content: readonly unknown[] | undefined): { providerMetadata?: SharedV3ProviderMetadata } {
  if (content === undefined || content.length === 0) return {}
  return { providerMetadata: { nextx: { logprobs: content as JSONObject[] } } }
}
