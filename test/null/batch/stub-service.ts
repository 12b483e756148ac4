import { createHash } from 'node:crypto'
import { setTimeout as wait } from 'node:timers/promises'
import { ApiError } from '../../../src/serve/api-error.ts'
import type { AnswerOptions, Service } from '../../../src/serve/service.ts'

export interface StubCall {
  readonly path: string
  readonly body: Readonly<Record<string, unknown>>
  readonly options: AnswerOptions
}

export interface StubSettings {
  /** Milliseconds of an answer. */
  readonly delay?: (call: StubCall) => number
  /** Throws what the service refuses. */
  readonly refuse?: (call: StubCall) => void
}

/** A service whose answers depend on the request alone, but for the time in `created`. */
export function stubService({
  delay = () => 0,
  refuse = () => undefined,
}: StubSettings = {}): Service & { readonly calls: StubCall[] } {
  const calls: StubCall[] = []
  const answer: Service['answer'] = async (path, body, options = {}) => {
    const call = { path, body: body as StubCall['body'], options }
    calls.push(call)
    await wait(delay(call), undefined, options.signal && { signal: options.signal })
    refuse(call)
    if (call.body.model !== 'stub')
      throw new ApiError('no such model', { status: 404, type: 'not_found_error', code: 'model_not_found' })
    const text = createHash('sha256')
      .update(JSON.stringify([path, body]))
      .digest('hex')
      .slice(0, 12)
    const choices = [{ index: 0, message: { role: 'assistant', content: text }, finish_reason: 'stop' }]
    return {
      kind: 'json',
      body: { id: `chatcmpl-${options.id}`, object: 'chat.completion', created: Date.now(), model: 'stub', choices },
    }
  }
  return {
    calls,
    answer,
    endpoints: [],
    warmUp: async () => undefined,
    ready: true,
    models: () => [],
    check: () => [],
    drain: async () => undefined,
    [Symbol.asyncDispose]: async () => undefined,
  }
}

/** Lines of a batch; `wrong` ones name no model. */
export function batchLines(count: number, wrong: (index: number) => boolean = () => false): string {
  const lines = Array.from({ length: count }, (_, index) => ({
    custom_id: `request-${index}`,
    method: 'POST',
    url: '/v1/chat/completions',
    body: { model: wrong(index) ? 'none' : 'stub', messages: [{ role: 'user', content: `How many are ${index} ☂ and 1?` }] },
  }))
  return lines.map((line) => `${JSON.stringify(line)}\n`).join('')
}
