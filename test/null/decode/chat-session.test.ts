import { describe, expect, test } from 'vitest'
import { ContextError, DataError, DisposedError, OptionError } from '../../../src/base/errors.ts'
import { allow, type ChatSession, type ChatTurn, generateText, openChatSession } from '../../../src/decode/index.ts'
import { byteTokenizer } from './byte-tokenizer.ts'
import { hashedLogits, type StubState, StubStepper } from './stub-stepper.ts'

/** One line per turn, the answer's begun. */
const encode = (turns: readonly ChatTurn[]) => [
  256,
  ...Buffer.from(`${turns.map(({ role, content }) => `${role[0]}:${content}\n`).join('')}a:`),
]
const text = (turns: readonly ChatTurn[]) => Buffer.from(encode(turns).slice(1)).toString()

/** Cannot go back, and counts what is computed like the one that can. */
class ForwardStepper extends StubStepper {
  override readonly canRewind: boolean = false

  override async rewind(state: StubState, length: number): Promise<void> {
    if (length !== 0 && length !== state.length) throw new OptionError('cannot rewind')
    await super.rewind(state, length)
  }
}

const letters = Array.from({ length: 26 }, (_, index) => 97 + index)
const sampling = { temperature: 0.7, seed: 5, maxTokens: 6, rules: [allow(letters)] }
const steppers = { 'that rewinds': () => new StubStepper(258, 400), 'that cannot rewind': () => new ForwardStepper(258, 400) }

async function say(chat: ChatSession, message: string, options = {}): Promise<string> {
  let answer = ''
  for await (const piece of chat.send(message, { ...sampling, ...options })) answer += piece.text
  return answer
}

describe.each(Object.entries(steppers))('a conversation on a stepper %s', (_, open) => {
  test('answers as one that keeps nothing, and feeds each token once', async () => {
    const stepper = open()
    const chat = openChatSession(stepper, byteTokenizer, { encode, system: 'be kind' })
    let turns: readonly ChatTurn[] = chat.turns
    for (const message of ['Hello', 'And you?', 'é!']) {
      const asked = [...turns, { role: 'user', content: message } as const]
      let expected = ''
      for await (const piece of generateText(new StubStepper(258, 400), byteTokenizer, text(asked), sampling))
        expected += piece.text
      const before = stepper.calls.length
      const answer = await say(chat, message)
      expect(answer).toBe(expected)
      turns = [...asked, { role: 'assistant', content: answer }]
      expect(chat.turns).toEqual(turns)
      expect(chat.promptTokens).toBe(encode(asked).length)
      expect(stepper.calls[before]).toBe(chat.promptTokens - chat.reusedTokens)
    }
    // All of the prompt before, and of its answer all but the token that was chosen last and never fed.
    expect(chat.reusedTokens).toBe(encode(turns.slice(0, 4)).length + 5)
    await chat[Symbol.asyncDispose]()
    expect(stepper.openStates).toBe(0)
  })

  test('reuses exactly the tokens that are alike', async () => {
    const stepper = open()
    let prefix = 'x'
    const chat = openChatSession(stepper, byteTokenizer, { encode: (turns) => [256, ...Buffer.from(prefix), ...encode(turns)] })
    const only = { rules: [allow([65])] }
    await say(chat, 'one', only)
    expect(chat.reusedTokens).toBe(0)
    await say(chat, 'two', only)
    // 'x', the first turn and its answer but for the answer's last token, which was chosen and never fed.
    expect(chat.reusedTokens).toBe(2 + encode([{ role: 'user', content: 'one' }]).length + 5)
    prefix = 'y'
    await say(chat, 'three', only)
    expect(chat.reusedTokens).toBe(stepper.canRewind ? 1 : 0)
  })

  test('an answer that is aborted stays as far as it came, and the state too', async () => {
    const stepper = open()
    const chat = openChatSession(stepper, byteTokenizer, { encode })
    const controller = new AbortController()
    const pieces: string[] = []
    const aborted = (async () => {
      for await (const { text: piece } of chat.send('Hello', {
        ...sampling,
        rules: [allow([65])],
        signal: controller.signal,
      })) {
        pieces.push(piece)
        if (pieces.length === 3) controller.abort(new Error('enough'))
      }
    })()
    await expect(aborted).rejects.toThrow('enough')
    expect(chat.turns.at(-1)).toEqual({ role: 'assistant', content: 'AAA' })
    await say(chat, 'Again')
    expect(chat.reusedTokens).toBeGreaterThanOrEqual(encode([{ role: 'user', content: 'Hello' }]).length + 2)
    await chat[Symbol.asyncDispose]()
    expect(stepper.openStates).toBe(0)
  })
})

test('a prompt that is aborted keeps the pieces that were fed, and goes on behind them', async () => {
  const controller = new AbortController()
  const stepper = new StubStepper(258, 2000, (tokens) => hashedLogits(258)(tokens.slice(-5)))
  const feed = stepper.extend.bind(stepper)
  stepper.extend = (batch, options) => {
    if (stepper.calls.length === 2) controller.abort(new Error('enough'))
    return feed(batch, options)
  }
  const chat = openChatSession(stepper, byteTokenizer, { encode })
  const message = 'x'.repeat(1000)
  await expect(say(chat, message, { signal: controller.signal })).rejects.toThrow('enough')
  expect([stepper.calls, chat.turns]).toEqual([[256, 256], []])
  await say(chat, message)
  expect(chat.reusedTokens).toBe(512)
  expect(stepper.calls.slice(2, 4)).toEqual([256, chat.promptTokens - 768])
})

test('a stop text is no part of the answer', async () => {
  const stepper = new StubStepper(258, 400, (tokens) =>
    Float32Array.from({ length: 258 }, (_, id) => Number(id === Buffer.from('a:ok</>')[tokens.length - 13])),
  )
  const chat = openChatSession(stepper, byteTokenizer, { encode })
  expect(encode([{ role: 'user', content: 'Hello..' }])).toHaveLength(13)
  expect(await say(chat, 'Hello..', { temperature: 0, maxTokens: 20, stop: ['</>'], rules: [] })).toBe('a:ok')
})

test('a failure leaves the conversation as it was, and the next answer begins anew', async () => {
  let healthy = true
  const flaky = new StubStepper(258, 400, (tokens) => {
    if (!healthy && tokens.length > 30) throw new Error('out of order')
    return hashedLogits(258)(tokens)
  })
  const chat = openChatSession(flaky, byteTokenizer, { encode })
  await say(chat, 'Hello')
  const before = chat.turns
  healthy = false
  await expect(say(chat, 'Again')).rejects.toThrow('out of order')
  expect(chat.turns).toBe(before)
  healthy = true
  await say(chat, 'Again')
  expect([chat.turns.length, chat.reusedTokens]).toEqual([4, 0])
  await chat[Symbol.asyncDispose]()
  expect(flaky.openStates).toBe(0)
})

test('refuses what it cannot answer', async () => {
  const chat = openChatSession(new StubStepper(258, 40), byteTokenizer, { encode })
  expect(() => chat.send('')).toThrow(DataError)
  expect(() => chat.send(5 as unknown as string)).toThrow(DataError)
  expect(() => chat.send('a', { temprature: 1 } as object)).toThrow(OptionError)
  expect(() => chat.send('a', { temperature: -1 })).toThrow(OptionError)
  expect(() => chat.send('x'.repeat(40))).toThrow(ContextError)
  expect(() => openChatSession(new StubStepper(), byteTokenizer, { encode, sytem: '' } as never)).toThrow(OptionError)
  const first = chat.send('a', sampling)
  await first.next()
  expect(() => chat.send('b')).toThrow(OptionError)
  await first.return()
  const [second, third] = [chat.send('b', sampling), chat.send('c', sampling)]
  await second.next()
  await expect(third.next()).rejects.toThrow(OptionError)
  await chat[Symbol.asyncDispose]()
  expect(() => chat.send('d')).toThrow(DisposedError)
})

test('the context fills up with a typed error, and what was said stays', async () => {
  const chat = openChatSession(new StubStepper(258, 60), byteTokenizer, { encode })
  const talk = async () => {
    for (;;) await say(chat, 'Hello there')
  }
  await expect(talk()).rejects.toThrow(ContextError)
  expect(chat.turns.length % 2).toBe(0)
  expect(chat.turns.length).toBeGreaterThan(0)
})
