import { sha256 } from '../platform/digest.ts'

const longestStart = 1024 // characters
const encoder = new TextEncoder()

/**
 * A short name of what a request's prompt begins with, the same for all turns of a conversation: requests of one name fare best on one
 * machine, which keeps the state of what they share. Load balancers can spread requests by it, as the header `x-nextx-prefix` says it.
 * Undefined for requests without a prompt.
 * @example
 * const key = prefixKey({ model: 'stories', messages: [{ role: 'user', content: 'Hello' }] })
 */
export function prefixKey(body: unknown): string | undefined {
  if (typeof body !== 'object' || body === null) return undefined
  const { model, messages, instructions, prompt, input } = body as Readonly<Record<string, unknown>>
  const list = messages ?? input ?? prompt
  if (list === undefined) return undefined
  const start = Array.isArray(list) && prompt === undefined ? conversationStart(list) : list
  const text = JSON.stringify([model, instructions ?? null, start]).slice(0, longestStart)
  return sha256([encoder.encode(text)]).slice(0, 16)
}

/** Up to the first thing that a user says: what follows grows with every turn. */
function conversationStart(messages: readonly unknown[]): readonly unknown[] {
  const first = messages.findIndex((message) => (message as { readonly role?: unknown } | null)?.role === 'user')
  return messages.slice(0, first + 1)
}
