import * as v from 'valibot'
import { wholeNumber } from '../../base/options.ts'
import { likelihoodMetrics } from '../../metrics/index.ts'
import { invalid } from '../api-error.ts'
import type { ServeLimits } from '../limits.ts'
import { readBody } from '../read-body.ts'
import type { Endpoint } from '../service.ts'
import { checkPrompt } from '../text/conversation.ts'
import { encodePrompt, type TextHost } from '../text/text-host.ts'
import { tokenText } from '../text/token-texts.ts'
import { type EndpointContext, useText } from './context.ts'
import { duringLease } from './deliver.ts'

const text = v.string()
const continued = v.strictObject({ prompt: text, continuation: text })

function scoreSchema(limits: ServeLimits) {
  const one = v.union([text, continued], 'expected a text, or { prompt, continuation }')
  return v.strictObject({
    model: v.string(),
    input: v.union([one, v.pipe(v.array(one), v.minLength(1), v.maxLength(limits.inputs))]),
    /** Also the likeliest tokens at every place. */
    top_logprobs: v.optional(wholeNumber(0, limits.topLogProbs), 0),
    /** Also each token by itself. */
    tokens: v.optional(v.boolean(), false),
  })
}

type Input = string | v.InferOutput<typeof continued>

/** `POST /v1/score`: exact log-probabilities of given texts, natural logarithms. */
export function score(context: EndpointContext): Endpoint {
  const schema = scoreSchema(context.limits)
  return {
    method: 'POST',
    path: '/v1/score',
    async answer({ body: given }, call) {
      const body = readBody(schema, given)
      if (body.top_logprobs > 0 && !body.tokens) throw invalid('top_logprobs', 'top_logprobs do nothing without tokens')
      const inputs = Array.isArray(body.input) ? body.input : [body.input]
      const lease = await useText(context, body.model, call)
      const data = await duringLease(lease, async () => {
        const read = inputs.map((input) => readInput(input, lease.host))
        for (const { ids } of read) checkPrompt('input', ids.length, context.limits)
        const scored: object[] = []
        for (const [index, each] of read.entries()) scored.push({ index, ...(await scoreOne(each, lease.host, body, call.signal)) })
        call.observer.tokens({ prompt: read.reduce((sum, { ids }) => sum + ids.length, 0), cached: 0, generated: 0 }, undefined)
        return scored
      })
      return { kind: 'json', body: { object: 'list', model: body.model, data } }
    },
  }
}

interface Read {
  readonly ids: readonly number[]
  /** Ids that are given, and not scored. */
  readonly known: number
  readonly scored: string
}

function readInput(input: Input, host: TextHost): Read {
  if (typeof input === 'string') {
    const ids = encodePrompt(host, input)
    const known = 1
    const first = host.tokenizer.startToken === undefined ? host.tokenizer.decode(ids.slice(0, 1)) : ''
    if (ids.length < 2) throw invalid('input', 'a text of which nothing can be scored')
    return { ids, known, scored: input.slice(first.length) }
  }
  const before = encodePrompt(host, input.prompt)
  const ids = [...before, ...host.tokenizer.encode(input.continuation)]
  if (before.length === 0) throw invalid('input', 'the prompt has no tokens; give the whole as a text')
  if (ids.length === before.length) throw invalid('input', 'the continuation is empty')
  return { ids, known: before.length, scored: input.continuation }
}

const encoder = new TextEncoder()

async function scoreOne(
  { ids, known, scored }: Read,
  host: TextHost,
  { top_logprobs: top, tokens: each }: { readonly top_logprobs: number; readonly tokens: boolean },
  signal: AbortSignal,
): Promise<object> {
  const { total, logProbs, topLogProbs } = await host.score(ids, {
    promptLength: known,
    ...(top > 0 && { topLogProbs: top }),
    signal,
  })
  const bytes = encoder.encode(scored).length
  const counts = { logProb: total, tokens: logProbs.length, bytes }
  const { perplexity, bitsPerByte } = likelihoodMetrics(counts)
  const told = ids.slice(known).map((id, i) => ({
    id,
    ...tokenText(host.tokenizer, id),
    logprob: logProbs[i]!,
    ...(topLogProbs && {
      top_logprobs: topLogProbs[i]!.map((one) => ({
        id: one.token,
        ...tokenText(host.tokenizer, one.token),
        logprob: one.logProb,
      })),
    }),
  }))
  return { logprob: total, tokens: logProbs.length, bytes, perplexity, bits_per_byte: bitsPerByte, ...(each && { content: told }) }
}
