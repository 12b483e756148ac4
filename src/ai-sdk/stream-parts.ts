import type { LanguageModelV3StreamPart, SharedV3Warning } from '@ai-sdk/provider'
import type { ServerEvent } from '../serve/service.ts'
import {
  chatChunk,
  completionChunk,
  finishOf,
  logprobMetadata,
  metadataOf,
  usageOf,
  type WireHead,
  type WireUsage,
} from './answers.ts'
import { checked } from './ask.ts'

type Part = LanguageModelV3StreamPart

interface CallDelta {
  readonly index: number
  readonly id?: string | undefined
  readonly function?: { readonly name?: string | undefined; readonly arguments?: string | undefined } | undefined
}

/** What a chunk says of the answer. */
export interface Growth {
  readonly head: WireHead
  readonly text?: string | undefined
  readonly calls?: readonly CallDelta[] | undefined
  readonly logprobs?: readonly unknown[] | undefined
  readonly finish?: string | undefined
  readonly usage?: WireUsage | undefined
}

export function chatGrowth(data: unknown): Growth {
  const { choices, usage, ...head } = checked(chatChunk, data)
  const [choice] = choices
  return {
    head,
    text: choice?.delta.content ?? undefined,
    calls: choice?.delta.tool_calls,
    logprobs: choice?.logprobs?.content ?? undefined,
    finish: choice?.finish_reason ?? undefined,
    usage: usage ?? undefined,
  }
}

export function completionGrowth(data: unknown): Growth {
  const { choices, usage, ...head } = checked(completionChunk, data)
  const [choice] = choices
  return { head, text: choice?.text, finish: choice?.finish_reason ?? undefined, usage: usage ?? undefined }
}

export interface StreamSettings {
  readonly warnings: SharedV3Warning[]
  readonly raw: boolean
  /** How to read a chunk. */
  readonly growth: (data: unknown) => Growth
}

/** The parts of a streamed answer, in the SDK's order. Rejects as the events do. */
export async function* partsOf(
  events: AsyncGenerator<ServerEvent, void, undefined>,
  { warnings, raw, growth }: StreamSettings,
): AsyncGenerator<Part, void, undefined> {
  yield { type: 'stream-start', warnings }
  const writer = new PartWriter()
  for await (const { data } of events) {
    if (data === '[DONE]') continue
    if (raw) yield { type: 'raw', rawValue: data }
    yield* writer.grow(growth(data))
  }
  yield* writer.end()
}

/** One text, then calls of tools, each from its beginning to its end. */
class PartWriter {
  #named = false
  #text = false
  #call: { readonly index: number; readonly id: string; readonly name: string; input: string } | undefined
  #finish: string | undefined
  #usage: WireUsage | undefined
  readonly #logprobs: unknown[] = [];

  *grow({ head, text, calls = [], logprobs = [], finish, usage }: Growth): Generator<Part> {
    if (!this.#named) yield { type: 'response-metadata', ...metadataOf(head) }
    this.#named = true
    if (text !== undefined && text !== '') yield* this.#write(text)
    for (const call of calls) yield* this.#growCall(call)
    for (const token of logprobs) this.#logprobs.push(token)
    this.#finish = finish ?? this.#finish
    this.#usage = usage ?? this.#usage
  }

  *end(): Generator<Part> {
    yield* this.#endText()
    yield* this.#endCall()
    const told = logprobMetadata(this.#logprobs)
    yield { type: 'finish', finishReason: finishOf(this.#finish), usage: usageOf(this.#usage), ...told }
  }

  *#write(delta: string): Generator<Part> {
    yield* this.#endCall()
    if (!this.#text) yield { type: 'text-start', id: textId }
    this.#text = true
    yield { type: 'text-delta', id: textId, delta }
  }

  *#endText(): Generator<Part> {
    if (this.#text) yield { type: 'text-end', id: textId }
    this.#text = false
  }

  *#growCall({ index, id, function: { name, arguments: delta = '' } = {} }: CallDelta): Generator<Part> {
    yield* this.#endText()
    if (this.#call?.index !== index) {
      yield* this.#endCall()
      this.#call = { index, id: id ?? `call_${index}`, name: name ?? '', input: '' }
      yield { type: 'tool-input-start', id: this.#call.id, toolName: this.#call.name }
    }
    this.#call.input += delta
    if (delta !== '') yield { type: 'tool-input-delta', id: this.#call.id, delta }
  }

  *#endCall(): Generator<Part> {
    if (this.#call === undefined) return
    const { id, name, input } = this.#call
    yield { type: 'tool-input-end', id }
    yield { type: 'tool-call', toolCallId: id, toolName: name, input }
    this.#call = undefined
  }
}

const textId = 'text'

/**
 * The parts as a stream of the web. An error of theirs becomes a part, after which the answer counts as finished; one that an abort caused
 * ends the stream. Leaving the stream leaves the request.
 */
export function streamOf(
  parts: AsyncGenerator<Part, void, undefined>,
  { signal, errorOf }: { readonly signal: AbortSignal | undefined; errorOf(error: unknown): unknown },
): ReadableStream<Part> {
  return new ReadableStream<Part>({
    async pull(controller) {
      try {
        const { done, value } = await parts.next()
        if (done === true) controller.close()
        else controller.enqueue(value)
      } catch (cause) {
        if (signal?.aborted === true) return controller.error(signal.reason)
        controller.enqueue({ type: 'error', error: errorOf(cause) })
        controller.enqueue({ type: 'finish', finishReason: { unified: 'error', raw: undefined }, usage: usageOf(undefined) })
        controller.close()
      }
    },
    async cancel() {
      await parts.return()
    },
  })
}
