import { describe, expect, it } from 'vitest'
import { DataError, OptionError } from '../../../src/base/errors.ts'
import { constraintRule } from '../../../src/decode/constraint.ts'
import { openContinuation } from '../../../src/decode/continuation.ts'
import {
  type GenerateOptions,
  type GenerateTextOptions,
  generate,
  generateText,
  openChatSession,
} from '../../../src/decode/index.ts'
import { byteTokenizer } from './byte-tokenizer.ts'
import { type Automaton, loops, open, StubConstraint } from './stub-constraint.ts'
import { hashedLogits, StubStepper } from './stub-stepper.ts'

async function run(constraint: StubConstraint, options: GenerateOptions = {}, stepper = new StubStepper()) {
  const tokens: number[] = []
  let finish: string | undefined
  for await (const token of generate(stepper, [1, 2], { ...options, constraint })) {
    tokens.push(token.token)
    finish = token.finish
  }
  expect([constraint.openStates, stepper.openStates]).toEqual([0, 0])
  return { tokens, finish, text: tokens.join('') }
}

describe('a constraint', () => {
  it.each(Array.from({ length: 20 }, (_, seed) => seed))('shapes what is generated, seed %i', async (seed) => {
    const { text, finish } = await run(new StubConstraint(loops), { seed, stopTokens: [7], topP: 0.5 })
    expect(text).toMatch(finish === 'length' ? /^1(23)*2?$/ : /^1(23)*4$/)
    expect(['complete', 'length']).toContain(finish)
  })

  it('lets end tokens come where the text may end, as stop tokens or not', async () => {
    const bias = new Map([[7, 3]])
    const stopped = await run(new StubConstraint(open), { seed: 3, stopTokens: [7], logitBias: bias })
    expect([stopped.finish, /^[56]*7$/.test(stopped.text)]).toEqual(['end-token', true])
    const through = await run(new StubConstraint(open), { seed: 3, logitBias: bias })
    expect(through).toEqual({ ...stopped, finish: 'complete' })
    const without = await run(new StubConstraint({ ...open, endTokens: [] }), { maxTokens: 9 })
    expect([without.finish, without.tokens.length]).toEqual(['length', 9])
  })

  it('is applied before the truncations and behind own rules, which cannot bring back what it forbids', async () => {
    const never: Automaton = { moves: [{ 0: 1 }, { 0: 2 }, {}], complete: [2] }
    const logitsOf = () => [-50, 9, 8, 7, 6, 5, 4, 3]
    const stepper = () => new StubStepper(8, 32, logitsOf)
    for (const options of [{ topK: 1 }, { topP: 0.1 }, { minP: 0.9 }, { typicalP: 0.2 }, { temperature: 0 }]) {
      expect(await run(new StubConstraint(never), options, stepper())).toMatchObject({ text: '00', finish: 'complete' })
    }
    const rules = [() => Float32Array.from(logitsOf())]
    expect((await run(new StubConstraint(never), { rules }, stepper())).text).toBe('00')
  })

  it('leaves the reported probabilities those of the model', async () => {
    const plain: number[] = []
    for await (const { logProb } of generate(new StubStepper(), [1, 2], { maxTokens: 1, logitBias: new Map([[1, 1000]]) }))
      plain.push(logProb)
    const constraint = new StubConstraint(loops)
    for await (const { logProb, index } of generate(new StubStepper(), [1, 2], { constraint, maxTokens: 1 }))
      expect(logProb).toBe(plain[index])
  })

  it('opens nothing before the first step, and is asked while the model computes', async () => {
    const order: string[] = []
    const gate = async () => void order.push('constraint')
    const constraint = new StubConstraint(loops, { gate })
    const stepper = new StubStepper(8, 32, (tokens) => {
      order.push('model')
      return hashedLogits(8)(tokens)
    })
    const stream = generate(stepper, [1], { constraint, maxTokens: 1 })
    expect(constraint.opened).toBe(0)
    await stream.next()
    expect(order.slice(0, 2).sort()).toEqual(['constraint', 'model'])
    await stream.return()
    expect(constraint.openStates).toBe(0)
  })

  it.each([
    ['opening', new StubConstraint(loops, { open: new DataError('no') })],
    ['the first mask', new StubConstraint(loops, { allowed: [0, new DataError('no')] })],
    ['a later mask', new StubConstraint(loops, { allowed: [1, new DataError('no')] })],
  ])('is closed when %s fails', async (_, constraint) => {
    const stepper = new StubStepper()
    const all = async () => {
      for await (const _token of generate(stepper, [1], { constraint }));
    }
    await expect(all()).rejects.toThrow(DataError)
    expect([constraint.openStates, stepper.openStates]).toEqual([0, 0])
  })

  it('is closed after a break, an abort, and an error of the stepper', async () => {
    const constraint = new StubConstraint(open)
    for await (const { index } of generate(new StubStepper(), [1], { constraint })) if (index === 2) break
    expect([constraint.opened, constraint.openStates]).toEqual([1, 0])
    const controller = new AbortController()
    const aborted = async () => {
      const options = { constraint, signal: controller.signal, logitBias: new Map([[7, -9]]) }
      for await (const { index } of generate(new StubStepper(), [1], options))
        if (index === 1) controller.abort(new Error('enough'))
    }
    await expect(aborted()).rejects.toThrow('enough')
    const broken = new StubStepper(8, 32, () => {
      throw new Error('broken')
    })
    await expect(run(constraint, {}, broken)).rejects.toThrow('broken')
    expect([constraint.opened, constraint.openStates]).toEqual([3, 0])
  })

  it('that allows nothing, or nothing that other rules allow, is an OptionError', async () => {
    await expect(run(new StubConstraint({ moves: [{}], complete: [] }))).rejects.toThrow(/allows no token/)
    const logitBias = new Map([[1, Number.NEGATIVE_INFINITY]])
    await expect(run(new StubConstraint(loops), { logitBias })).rejects.toThrow(OptionError)
    expect(() => generate(new StubStepper(), [1], { constraint: {} as never })).toThrow(OptionError)
  })

  it('never allows tokens beyond the model', () => {
    const masked = constraintRule(Int32Array.of(-1, -1))(new Float32Array(40), { tokens: [], promptLength: 0 })
    expect(masked).toEqual(new Float32Array(40))
    expect(constraintRule(Int32Array.of(1 << 31))(new Float32Array(40), { tokens: [], promptLength: 0 }).indexOf(0)).toBe(31)
    const refused = () => constraintRule(Int32Array.of(0, -1 << 8))(new Float32Array(40), { tokens: [], promptLength: 0 })
    expect(refused).toThrow(OptionError)
  })

  it('must be prepared before each token, and closes once', async () => {
    const constraint = new StubConstraint(loops)
    const continuation = openContinuation({ vocabularySize: 8, contextLength: 32 }, [1], { constraint })
    const logits = new Float32Array(8)
    await expect(continuation.next(logits)).rejects.toThrow(OptionError)
    await Promise.all([continuation.prepare(), continuation.prepare()])
    expect((await continuation.next(logits)).token).toBe(1)
    await expect(continuation.next(logits)).rejects.toThrow(OptionError)
    const preparing = continuation.prepare()
    expect(continuation.holds).toBe(true)
    await Promise.all([continuation.close(), continuation.close()])
    await preparing.catch(() => undefined)
    expect([constraint.opened, constraint.openStates, continuation.holds]).toEqual([1, 0, false])
  })
})

describe('a constraint of texts', () => {
  const yesOrNo: Automaton = {
    moves: [{ 121: 1, 110: 4 }, { 101: 2 }, { 115: 3 }, {}, { 111: 3 }],
    complete: [3],
    endTokens: [257],
  }

  it('gives texts of the form, and ends them', async () => {
    for (let seed = 0; seed < 6; seed++) {
      const constraint = new StubConstraint(yesOrNo)
      let text = ''
      let finish: string | undefined
      const options: GenerateTextOptions = { constraint, seed }
      for await (const piece of generateText(new StubStepper(258, 64), byteTokenizer, 'a cat?', options)) {
        text += piece.text
        finish = piece.finish
      }
      expect([text, finish, constraint.openStates]).toEqual([expect.stringMatching(/^(yes|no)$/), 'complete', 0])
    }
  })

  it('goes with a conversation', async () => {
    const stepper = new StubStepper(258, 256)
    const encode = (turns: readonly { content: string }[]) => [
      256,
      ...turns.flatMap(({ content }) => byteTokenizer.encode(content)),
    ]
    const chat = openChatSession(stepper, byteTokenizer, { encode })
    const constraint = new StubConstraint(yesOrNo)
    for (let turn = 0; turn < 3; turn++) {
      let answer = ''
      for await (const { text } of chat.send('a cat?', { constraint, seed: turn })) answer += text
      expect(answer).toMatch(/^(yes|no)$/)
    }
    const failing = new StubConstraint(yesOrNo, { allowed: [1, new DataError('no')] })
    const left = async () => {
      for await (const _ of chat.send('and?', { constraint: failing }));
    }
    await expect(left()).rejects.toThrow(DataError)
    expect([constraint.opened, constraint.openStates, failing.opened, failing.openStates, chat.turns.length]).toEqual([
      3, 0, 1, 0, 6,
    ])
    await chat[Symbol.asyncDispose]()
    expect(stepper.openStates).toBe(0)
  })
})
