import { readBody } from '../read-body.ts'
import type { Answer, Endpoint, ServerEvent } from '../service.ts'
import { type Delta, type Replying, startReplies } from '../text/conversation.ts'
import { contentLogProbs } from '../text/log-probs.ts'
import type { TextHost } from '../text/text-host.ts'
import type { ToolCall } from '../text/tools.ts'
import { type ChatBody, chatSchema, readConversation } from './chat-request.ts'
import { askContext, type EndpointContext, unixTime, useText } from './context.ts'
import { deliver, withLease } from './deliver.ts'
import { usageOf } from './usage.ts'

/** `POST /v1/chat/completions`. */
export function chatCompletions(context: EndpointContext): Endpoint {
  const schema = chatSchema(context.limits)
  return {
    method: 'POST',
    path: '/v1/chat/completions',
    async answer({ body: given }, call): Promise<Answer> {
      const body = readBody(schema, given)
      const conversation = readConversation(body)
      const lease = await useText(context, body.model, call)
      return withLease(lease, async () => {
        const { host } = lease
        const replies = await startReplies(conversation, body.model, askContext(context, host, call, body))
        const shared = { body, host, id: `chatcmpl-${call.id}`, created: unixTime() }
        return deliver(lease, replies, {
          stream: body.stream,
          events: () => chunks(replies, shared),
          body: () => whole(replies, shared),
        })
      })
    },
  }
}

interface Shared {
  readonly body: ChatBody
  readonly host: TextHost
  readonly id: string
  readonly created: number
}

function logProbsOf({ tokens }: Pick<Delta, 'tokens'>, { body, host }: Shared) {
  return body.logprobs ? { content: contentLogProbs(tokens, host.tokenizer, body.top_logprobs ?? 0), refusal: null } : null
}

function callOf({ name, arguments: given }: ToolCall, id: string) {
  return { id, type: 'function' as const, function: { name, arguments: given } }
}

interface Choice {
  text: string
  readonly calls: ReturnType<typeof callOf>[]
  readonly tokens: Delta['tokens'][number][]
  finish: Delta['finish']
}

async function whole(replies: Replying, shared: Shared): Promise<object> {
  const choices = Array.from({ length: shared.body.n }, (): Choice => ({ text: '', calls: [], tokens: [], finish: undefined }))
  for await (const delta of replies.deltas) {
    const choice = choices[delta.choice]!
    choice.text += delta.text
    for (const call of delta.calls) choice.calls.push(callOf(call, callId(shared, delta.choice, choice.calls.length)))
    choice.tokens.push(...delta.tokens)
    choice.finish = delta.finish
  }
  return {
    id: shared.id,
    object: 'chat.completion',
    created: shared.created,
    model: shared.body.model,
    choices: choices.map((choice, index) => ({
      index,
      message: messageOf(choice),
      logprobs: logProbsOf(choice, shared),
      finish_reason: choice.finish,
    })),
    usage: usageOf(replies.counts()),
  }
}

function messageOf({ text, calls }: Choice) {
  const content = calls.length > 0 && text.trim() === '' ? null : text
  return { role: 'assistant', content, refusal: null, ...(calls.length > 0 && { tool_calls: calls }) }
}

function callId({ id }: Shared, choice: number, index: number): string {
  return `call_${id.replace(/^\w+-/, '')}_${choice}_${index}`
}

async function* chunks(replies: Replying, shared: Shared): AsyncGenerator<ServerEvent, void, undefined> {
  const { body, id, created } = shared
  const withUsage = body.stream_options?.include_usage === true
  const head = { id, object: 'chat.completion.chunk', created, model: body.model }
  const chunk = (index: number, delta: object, logprobs: object | null, finish: Delta['finish'] | null): ServerEvent => ({
    data: { ...head, choices: [{ index, delta, logprobs, finish_reason: finish }], ...(withUsage && { usage: null }) },
  })
  for (let index = 0; index < body.n; index++) yield chunk(index, { role: 'assistant', content: '' }, null, null)
  const made = new Array<number>(body.n).fill(0)
  for await (const delta of replies.deltas) {
    const { choice, text, calls, finish } = delta
    const logprobs = logProbsOf(delta, shared)
    if (text !== '' || logprobs !== null) yield chunk(choice, { content: text }, logprobs, null)
    for (const call of calls) {
      const index = made[choice]!++
      yield chunk(choice, { tool_calls: [{ index, ...callOf(call, callId(shared, choice, index)) }] }, null, null)
    }
    if (finish !== undefined) yield chunk(choice, {}, null, finish)
  }
  if (withUsage) yield { data: { ...head, choices: [], usage: usageOf(replies.counts()) } }
  yield { data: '[DONE]' }
}
