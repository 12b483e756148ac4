import * as v from 'valibot'
import { commonLength } from '../../base/common-length.ts'
import { wholeNumber } from '../../base/options.ts'
import { likelihoodMetrics } from '../../metrics/index.ts'
import { nextTurn } from '../../platform/next-turn.ts'
import { invalid } from '../api-error.ts'
import type { ServeLimits } from '../limits.ts'
import { readBody } from '../read-body.ts'
import type { Endpoint } from '../service.ts'
import { checkCharacters, checkPrompt, encodePrompt, type TextHost } from '../text/text-host.ts'
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
        const read: Read[] = []
        for (const input of inputs) {
          read.push(readInput(input, lease.host, context.limits))
          if (inputs.length > 1) await nextTurn()
        }
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

/**
 * A continuation is what the tokens of the whole are beyond those of the prompt: cut by itself, its first word may be another token. Where a
 * token reaches from the prompt into the continuation, scoring begins with it.
 */
function readInput(input: Input, host: TextHost, limits: ServeLimits): Read {
  const [prompt, rest] = typeof input === 'string' ? ['', input] : [input.prompt, input.continuation]
  checkCharacters('input', prompt.length + rest.length, host, limits)
  const ids = encodePrompt(host, prompt + rest)
  checkPrompt('input', ids.length, limits)
  const known = typeof input === 'string' ? 1 : commonLength(encodePrompt(host, prompt), ids)
  if (known === 0) throw invalid('input', 'the prompt has no tokens; give the whole as a text')
  if (known >= ids.length)
    throw invalid('input', typeof input === 'string' ? 'a text of which nothing can be scored' : 'the continuation adds no token')
  const start = host.tokenizer.decode(ids.slice(0, known))
  return { ids, known, scored: (prompt + rest).slice(start.length) }
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
