import { callTags, readCall, readCutCall, type ToolCall } from './tools.ts'

/** What a piece of an answer says. */
export interface Said {
  readonly text: string
  readonly calls: readonly ToolCall[]
}

/** Takes the calls out of an answer as it comes. */
export interface CallReader {
  push(text: string): Said
  /** When nothing more will come. */
  end(): Said
}

const nothing: readonly ToolCall[] = []

/** For answers in which nothing is a call. */
export function plainReader(): CallReader {
  return { push: (text) => ({ text, calls: nothing }), end: () => ({ text: '', calls: nothing }) }
}

/** For answers that are one call, as JSON. One that was cut is a call too, from its name on, and nothing before. */
export function wholeCallReader(): CallReader {
  let held = ''
  return {
    push(text) {
      held += text
      return { text: '', calls: nothing }
    },
    end() {
      const call = readCall(held) ?? readCutCall(held)
      return { text: '', calls: call === undefined ? nothing : [call] }
    },
  }
}

/** For texts with calls between tags; the last one may lack its end. What is no call stays text, tags included. */
export function taggedReader(): CallReader {
  let held = ''
  const take = (): Said => {
    let text = ''
    const calls: ToolCall[] = []
    for (;;) {
      const begin = held.indexOf(callTags.begin)
      const end = begin < 0 ? -1 : held.indexOf(callTags.end, begin)
      if (end < 0) {
        const keep = begin < 0 ? held.length - partialLength(held) : begin
        text += held.slice(0, keep)
        held = held.slice(keep)
        return { text, calls }
      }
      const call = readCall(held.slice(begin + callTags.begin.length, end))
      const after = end + callTags.end.length
      text += call === undefined ? held.slice(0, after) : held.slice(0, begin)
      if (call !== undefined) calls.push(call)
      held = held.slice(after)
    }
  }
  return {
    push(text) {
      held += text
      return take()
    },
    end() {
      const begin = held.indexOf(callTags.begin)
      const rest = held.slice(begin + callTags.begin.length)
      const call = begin < 0 ? undefined : (readCall(rest) ?? readCutCall(rest))
      return call === undefined ? { text: held, calls: nothing } : { text: held.slice(0, begin), calls: [call] }
    },
  }
}

/** Length of the longest end of a text that begins a tag. */
function partialLength(text: string): number {
  for (let length = Math.min(text.length, callTags.begin.length - 1); length > 0; length--)
    if (text.endsWith(callTags.begin.slice(0, length))) return length
  return 0
}
