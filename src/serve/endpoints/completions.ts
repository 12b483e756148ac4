import type { GeneratedToken, TokenLogProb } from '../../decode/index.ts'
import { readBody } from '../read-body.ts'
import { engineOptionsOf, seedOf, stopsOf, stopTokensOf } from '../sampling-fields.ts'
import type { Answer, Call, Endpoint, ServerEvent } from '../service.ts'
import { type Answering, type Ask, type AskContext, startAnswers } from '../text/generation.ts'
import { constraintFor, formOf } from '../text/output-form.ts'
import { encodePrompts, type TextHost } from '../text/text-host.ts'
import { tokenText } from '../text/token-texts.ts'
import { type CompletionBody, checkCompletion, completionSchema, promptsOf } from './completion-request.ts'
import { askContext, type EndpointContext, unixTime, useText } from './context.ts'
import { deliver, withLease } from './deliver.ts'
import { usageOf } from './usage.ts'

/** `POST /v1/completions`. */
export function completions(context: EndpointContext): Endpoint {
  const schema = completionSchema(context.limits)
  return {
    method: 'POST',
    path: '/v1/completions',
    async answer({ body: given }, call): Promise<Answer> {
      const body = readBody(schema, given)
      checkCompletion(body)
      const form = formOf(body, body.response_format)
      const lease = await useText(context, body.model, call)
      return withLease(lease, async () => {
        const { host } = lease
        const prompts = await encodePrompts(host, promptsOf(body), { param: 'prompt', limits: context.limits })
        const constraint = await constraintFor(host, form, call.signal)
        const asking = askContext(context, host, call, body)
        const asks = prompts.map((prompt) => ({ ...askOf(body, asking), prompt, constraint }))
        const shared = { body, host, asks, id: `cmpl-${call.id}`, created: unixTime(), signal: call.signal }
        const answering = body.max_tokens === 0 ? nothing(asks) : await startAnswers(asks, asking)
        const ways = { stream: body.stream, events: () => chunks(answering, shared), body: () => whole(answering, shared) }
        return deliver(lease, answering, ways)
      })
    },
  }
}

interface Shared {
  readonly body: CompletionBody
  readonly host: TextHost
  readonly asks: readonly Ask[]
  readonly id: string
  readonly created: number
  readonly signal: Call['signal']
}

function askOf(body: CompletionBody, { limits }: AskContext): Omit<Ask, 'prompt' | 'constraint'> {
  const { max_tokens: maxTokens = limits.answerTokens, logprobs } = body
  return {
    count: body.n,
    seed: (choice) => seedOf(body.seed, choice),
    options: { ...engineOptionsOf(body), maxTokens, topLogProbs: logprobs === 0 ? undefined : logprobs },
    stop: stopsOf(body),
    stopTokens: stopTokensOf(body),
  }
}

/** For prompts that are only scored. */
function nothing(asks: readonly Ask[]): Answering {
  const pieces = asks.flatMap(({ count }) => Array.from({ length: count }, () => undefined))
  return {
    pieces: (async function* () {
      for (const choice of pieces.keys()) yield { choice, text: '', tokens: [], finish: 'length' as const }
    })(),
    counts: () => ({ prompt: asks.reduce((total, { prompt }) => total + prompt.length, 0), cached: 0, generated: 0 }),
    close: async () => undefined,
  }
}

/** A token with what it is likely as; the first one of a prompt is predicted by nothing. */
interface Told {
  readonly token: number
  readonly logProb: number | null
  readonly topLogProbs?: readonly TokenLogProb[]
}

async function whole(answering: Answering, shared: Shared): Promise<object> {
  const { body, asks, id, created } = shared
  const echoes = await Promise.all(asks.map(({ prompt }) => echoOf(prompt, shared)))
  const choices = Array.from({ length: asks.length * body.n }, (_, i) => {
    const { text, tokens } = echoes[Math.floor(i / body.n)]!
    return { text, tokens: [...tokens], finish: '' }
  })
  for await (const { choice: i, text, tokens, finish } of answering.pieces) {
    const choice = choices[i]!
    choice.text += text
    choice.tokens.push(...tokens)
    if (finish !== undefined) choice.finish = finishOf(finish)
  }
  return {
    id,
    object: 'text_completion',
    created,
    model: body.model,
    choices: choices.map(({ text, tokens, finish }, index) => ({
      index,
      text,
      logprobs: listsOf(tokens, shared, 0).lists,
      finish_reason: finish,
    })),
    usage: usageOf(answering.counts()),
  }
}

async function echoOf(
  prompt: readonly number[],
  { body, host, signal }: Shared,
): Promise<{ text: string; tokens: readonly Told[] }> {
  if (!body.echo) return { text: '', tokens: [] }
  const text = host.tokenizer.decode(prompt)
  if (body.logprobs === undefined || prompt.length < 2) return { text, tokens: prompt.map((token) => ({ token, logProb: null })) }
  const top = body.logprobs === 0 ? {} : { topLogProbs: body.logprobs }
  const { logProbs, topLogProbs } = await host.score(prompt, { ...top, signal })
  const told = prompt.map((token, i) => ({
    token,
    logProb: i === 0 ? null : logProbs[i - 1]!,
    ...(i > 0 && topLogProbs !== undefined && { topLogProbs: topLogProbs[i - 1]! }),
  }))
  return { text, tokens: told }
}

/** `logprobs` of completions: lists side by side, and where the next text begins. */
function listsOf(tokens: readonly (Told | GeneratedToken)[], { body, host }: Shared, from: number) {
  if (body.logprobs === undefined) return { lists: null, to: from }
  const texts = tokens.map(({ token }) => tokenText(host.tokenizer, token).token)
  let to = from
  const offsets = texts.map((text) => {
    const at = to
    to += text.length
    return at
  })
  const top = tokens.map(({ token, logProb, topLogProbs }) =>
    topLogProbs === undefined
      ? null
      : Object.fromEntries(
          [...topLogProbs, { token, logProb }].map((each) => [tokenText(host.tokenizer, each.token).token, each.logProb]),
        ),
  )
  const lists = { tokens: texts, token_logprobs: tokens.map(({ logProb }) => logProb), top_logprobs: top, text_offset: offsets }
  return { lists, to }
}

async function* chunks(answering: Answering, shared: Shared): AsyncGenerator<ServerEvent, void, undefined> {
  const { body, id, created } = shared
  const withUsage = body.stream_options?.include_usage === true
  const head = { id, object: 'text_completion', created, model: body.model }
  const offsets = new Map<number, number>()
  for await (const { choice, text, tokens, finish } of answering.pieces) {
    const { lists, to } = listsOf(tokens, shared, offsets.get(choice) ?? 0)
    offsets.set(choice, to)
    const last = finish === undefined ? null : finishOf(finish)
    const choices = [{ index: choice, text, logprobs: lists, finish_reason: last }]
    yield { data: { ...head, choices, ...(withUsage && { usage: null }) } }
  }
  if (withUsage) yield { data: { ...head, choices: [], usage: usageOf(answering.counts()) } }
  yield { data: '[DONE]' }
}

function finishOf(finish: string): 'length' | 'stop' {
  return finish === 'length' ? 'length' : 'stop'
}
