import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { ContextError, DataError } from '../../../src/base/errors.ts'
import { type Conversation, converse } from '../../../src/cli/actions/chat.ts'
import type { ChatSession } from '../../../src/decode/index.ts'

const seen = { stdout: '', stderr: '' }
beforeEach(() => {
  Object.assign(seen, { stdout: '', stderr: '' })
  for (const name of ['stdout', 'stderr'] as const) {
    vi.spyOn(process[name], 'write').mockImplementation((text) => {
      seen[name] += String(text)
      return true
    })
  }
})
afterEach(() => vi.restoreAllMocks())

/** Sessions that say how many messages they had; some messages cannot be answered. */
function talk(lines: readonly string[], onTerminal: boolean) {
  const open: ChatSession[] = []
  const openOne = (): ChatSession => {
    let messages = 0
    const session = {
      ...{ turns: [], promptTokens: 0, reusedTokens: 0 },
      async *send(text: string) {
        if (text === 'strange') throw new DataError('the text has a character that the model lacks')
        if (text === 'long') throw new ContextError('the conversation has 600 tokens')
        if (text === 'fault') throw new TypeError('no such thing')
        messages++
        yield { text: `${text} ${messages}`, tokens: [{ index: 0, token: 1, logProb: 0 }] }
      },
      async [Symbol.asyncDispose]() {
        open.splice(open.indexOf(session), 1)
      },
    }
    open.push(session)
    expect(open).toHaveLength(1)
    return session
  }
  async function* each() {
    yield* lines
  }
  const { signal } = new AbortController()
  const conversation: Conversation = {
    ...{ open: openOne, lines: each(), flags: {}, onTerminal, signal },
    runPart: (part) => part(signal),
  }
  return { open, ended: converse(conversation) }
}

test('on a terminal, what cannot be answered is said and the conversation goes on', async () => {
  const { open, ended } = talk(['one', 'strange', 'two', 'long', 'three'], true)
  await ended
  expect(seen.stdout).toBe('> one 1\n> > two 2\n> > three 3\n> \n')
  expect(seen.stderr).toBe(
    'error: the text has a character that the model lacks\n' +
      'error: the conversation has 600 tokens\n/new begins a new conversation\n',
  )
  expect(open).toEqual([])
})

test('in a pipe it ends the command, as faults of nextx itself do on a terminal too', async () => {
  const piped = talk(['one', 'strange', 'two'], false)
  await expect(piped.ended).rejects.toThrow(DataError)
  const faulty = talk(['one', 'fault', 'two'], true)
  await expect(faulty.ended).rejects.toThrow(TypeError)
  expect([piped.open, faulty.open]).toEqual([[], []])
  expect(seen).toEqual({ stdout: 'one 1\n> one 1\n> ', stderr: '' })
})

test('/new begins anew, and empty lines are no messages', async () => {
  const { open, ended } = talk(['one', 'two', ' /new ', '', 'three'], false)
  await ended
  expect(seen).toEqual({ stdout: 'one 1\ntwo 2\nthree 1\n', stderr: '' })
  expect(open).toEqual([])
})
