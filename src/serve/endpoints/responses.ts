import { readBody } from '../read-body.ts'
import type { Answer, Endpoint, ServerEvent } from '../service.ts'
import { type Conversation, type Delta, type Replying, startReplies } from '../text/conversation.ts'
import { contentLogProbs } from '../text/log-probs.ts'
import type { TextHost } from '../text/text-host.ts'
import type { ToolCall } from '../text/tools.ts'
import { chatSchema } from './chat-request.ts'
import { askContext, type EndpointContext, unixTime, useText } from './context.ts'
import { deliver, withLease } from './deliver.ts'
import { conversationOf, type ResponsesBody, responsesSchema } from './responses-request.ts'

/** `POST /v1/responses`: the same as chat completions, in the shape of responses. Nothing is stored. */
export function responses(context: EndpointContext): Endpoint {
  const schema = responsesSchema(context.limits)
  const conversations = chatSchema(context.limits)
  return {
    method: 'POST',
    path: '/v1/responses',
    async answer({ body: given }, call): Promise<Answer> {
      const body = readBody(schema, given)
      const conversation = conversationOf(body, conversations)
      const lease = await useText(context, body.model, call)
      return withLease(lease, async () => {
        const { host } = lease
        const replies = await startReplies(conversation, body.model, askContext(context, host, call, body))
        const writer = new ResponseWriter(body, conversation, host, call.id)
        const ways = {
          stream: body.stream,
          events: () => writer.events(replies),
          body: async () => {
            let last: ServerEvent | undefined
            for await (const event of writer.events(replies)) last = event
            return (last!.data as { readonly response: object }).response
          },
        }
        return deliver(lease, replies, ways)
      })
    },
  }
}

type OutputItem = { readonly id: string; readonly type: string; readonly status: string; readonly [field: string]: unknown }

/** One response as it grows. Every event has its number. */
class ResponseWriter {
  readonly #body: ResponsesBody
  readonly #topLogProbs: number
  readonly #logProbs: boolean
  readonly #host: TextHost
  readonly #id: string
  readonly #created = unixTime()
  readonly #output: OutputItem[] = []
  #number = 0
  /** The message that is being written. */
  #text: string | undefined
  #tokens: Delta['tokens'][number][] = []

  constructor(body: ResponsesBody, conversation: Conversation, host: TextHost, id: string) {
    this.#body = body
    this.#topLogProbs = conversation.topLogProbs ?? 0
    this.#logProbs = (body.include ?? []).length > 0
    this.#host = host
    this.#id = id
  }

  async *events(replies: Replying): AsyncGenerator<ServerEvent, void, undefined> {
    yield this.#event('response.created', { response: this.#response('in_progress', replies) })
    yield this.#event('response.in_progress', { response: this.#response('in_progress', replies) })
    let finish: Delta['finish']
    for await (const delta of replies.deltas) {
      finish = delta.finish
      if (delta.text !== '' && !(delta.calls.length > 0 && delta.text.trim() === '')) yield* this.#write(delta)
      if (delta.calls.length > 0) yield* this.#endText()
      for (const call of delta.calls) yield* this.#call(call)
    }
    const status = finish === 'length' ? 'incomplete' : 'completed'
    yield* this.#endText(status)
    yield this.#event(`response.${status}`, { response: this.#response(status, replies) })
  }

  #event(type: string, data: object): ServerEvent {
    return { event: type, data: { type, sequence_number: this.#number++, ...data } }
  }

  *#write(delta: Delta): Generator<ServerEvent> {
    if (this.#text === undefined) yield* this.#beginText()
    this.#text += delta.text
    this.#tokens.push(...delta.tokens)
    const logprobs = this.#logProbs ? contentLogProbs(delta.tokens, this.#host.tokenizer, this.#topLogProbs) : []
    yield this.#event('response.output_text.delta', { ...this.#place(), delta: delta.text, logprobs })
  }

  *#beginText(): Generator<ServerEvent> {
    this.#text = ''
    this.#tokens = []
    const item = { id: this.#itemId('msg'), type: 'message', status: 'in_progress', role: 'assistant', content: [] }
    yield this.#event('response.output_item.added', { output_index: this.#output.length, item })
    yield this.#event('response.content_part.added', { ...this.#place(), part: this.#part('') })
  }

  *#endText(status: 'completed' | 'incomplete' = 'completed'): Generator<ServerEvent> {
    const text = this.#text
    if (text === undefined) return
    const place = this.#place()
    const part = this.#part(text)
    yield this.#event('response.output_text.done', { ...place, text, logprobs: part.logprobs })
    yield this.#event('response.content_part.done', { ...place, part })
    const item = { id: place.item_id, type: 'message', status, role: 'assistant', content: [part] }
    yield this.#event('response.output_item.done', { output_index: place.output_index, item })
    this.#output.push(item)
    this.#text = undefined
  }

  *#call({ name, arguments: given }: ToolCall): Generator<ServerEvent> {
    const at = this.#output.length
    const item = { id: this.#itemId('fc'), type: 'function_call', call_id: `call_${this.#id}_0_${at}`, name }
    const place = { output_index: at, item_id: item.id }
    yield this.#event('response.output_item.added', { output_index: at, item: { ...item, status: 'in_progress', arguments: '' } })
    yield this.#event('response.function_call_arguments.delta', { ...place, delta: given })
    yield this.#event('response.function_call_arguments.done', { ...place, name, arguments: given })
    const done = { ...item, status: 'completed', arguments: given }
    yield this.#event('response.output_item.done', { output_index: at, item: done })
    this.#output.push(done)
  }

  #itemId(kind: string): string {
    return `${kind}_${this.#id}_${this.#output.length}`
  }

  #place() {
    return { item_id: this.#itemId('msg'), output_index: this.#output.length, content_index: 0 }
  }

  #part(text: string) {
    const logprobs = this.#logProbs ? contentLogProbs(this.#tokens, this.#host.tokenizer, this.#topLogProbs) : []
    return { type: 'output_text', text, annotations: [], logprobs }
  }

  #response(status: 'in_progress' | 'completed' | 'incomplete', replies: Replying) {
    const { model, instructions, temperature = 1, top_p = 1, metadata, tools, tool_choice, max_output_tokens, text } = this.#body
    const { prompt, cached, generated } = replies.counts()
    const usage = {
      input_tokens: prompt,
      input_tokens_details: { cached_tokens: cached },
      output_tokens: generated,
      output_tokens_details: { reasoning_tokens: 0 },
      total_tokens: prompt + generated,
    }
    return {
      id: `resp_${this.#id}`,
      object: 'response',
      created_at: this.#created,
      status,
      error: null,
      incomplete_details: status === 'incomplete' ? { reason: 'max_output_tokens' } : null,
      instructions: instructions ?? null,
      model,
      output: [...this.#output],
      parallel_tool_calls: this.#body.parallel_tool_calls ?? true,
      previous_response_id: null,
      store: false,
      temperature,
      top_p,
      max_output_tokens: max_output_tokens ?? null,
      text: { format: text?.format ?? { type: 'text' } },
      tool_choice: tool_choice ?? 'auto',
      tools,
      truncation: 'disabled',
      metadata,
      usage: status === 'in_progress' ? null : usage,
    }
  }
}
