import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ContextError, DataError, OptionError } from '../../../src/base/errors.ts'
import { generate } from '../../../src/decode/generate.ts'
import {
  type GeneratedText,
  type GenerateTextOptions,
  generateText,
  type TextStopOptions,
  textPieces,
} from '../../../src/decode/generate-text.ts'
import { byteTokenizer } from './byte-tokenizer.ts'
import { StubStepper } from './stub-stepper.ts'

/** A model that is sure of one continuation, which it gives after a prompt of two characters and the start token. */
function reciter(script: readonly number[]): StubStepper {
  return new StubStepper(258, 64, (tokens) => {
    const logits = new Float32Array(258).fill(-1000)
    logits[script[tokens.length - 3] ?? 257] = 0
    return logits
  })
}

const bytes = (text: string) => byteTokenizer.encode(text)

async function recite(
  script: readonly number[],
  options: GenerateTextOptions = {},
  stepper = reciter(script),
): Promise<GeneratedText[]> {
  const pieces: GeneratedText[] = []
  for await (const piece of generateText(stepper, byteTokenizer, 'hi', options)) pieces.push(piece)
  expect(stepper.openStates).toBe(0)
  return pieces
}
const textOf = (pieces: readonly GeneratedText[]) => pieces.map(({ text }) => text).join('')

describe('generateText', () => {
  it('puts the start token before the prompt and ends with the end token', async () => {
    const stepper = reciter(bytes('abc'))
    const pieces = await recite([], {}, stepper)
    expect(pieces.map(({ text }) => text)).toEqual(['a', 'b', 'c', ''])
    expect(pieces.map(({ finish }) => finish)).toEqual([undefined, undefined, undefined, 'end-token'])
    expect(stepper.calls[0]).toBe(3)
  })

  it('holds back incomplete characters and says which tokens a piece has', async () => {
    const pieces = await recite(bytes('aé😀!'))
    expect(pieces.map(({ text, tokens }) => [text, tokens.length])).toEqual([
      ['a', 1],
      ['é', 2],
      ['😀', 4],
      ['!', 1],
      ['', 1],
    ])
    expect(pieces.flatMap(({ tokens }) => tokens.map(({ index }) => index))).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8])
  })

  it('gives what is left when the length is reached', async () => {
    const pieces = await recite(bytes('a😀'), { maxTokens: 3 })
    expect(textOf(pieces)).toBe('a\ufffd')
    expect(pieces.at(-1)!.finish).toBe('length')
    const partial = await recite(bytes('abSTOP'), { maxTokens: 4, stop: ['STOP'] })
    expect(partial.map(({ text, finish }) => ({ text, finish }))).toEqual([
      { text: 'a', finish: undefined },
      { text: 'b', finish: undefined },
      { text: 'ST', finish: 'length' },
    ])
  })

  it('cuts at a stop across token borders, and generates nothing beyond it', async () => {
    const stepper = reciter(bytes('abSTOPcdef'))
    const pieces = await recite([], { stop: ['never', 'STOP'] }, stepper)
    expect(textOf(pieces)).toBe('ab')
    expect(pieces.at(-1)!.finish).toBe('stop')
    expect(pieces.slice(0, -1).every(({ finish }) => finish === undefined)).toBe(true)
    expect(stepper.calls.length).toBe(6)
  })

  it('cuts at a stop that the last token completes or the end decides', async () => {
    const last = await recite(bytes('abSTOP'), { maxTokens: 6, stop: ['STOP'] })
    expect([textOf(last), last.at(-1)!.finish]).toEqual(['ab', 'stop'])
    const waiting = await recite(bytes('xabc'), { stop: ['abcd', 'bc'] })
    expect([textOf(waiting), waiting.at(-1)!.finish]).toEqual(['xa', 'stop'])
  })

  it('leaves out the text of a stop token', async () => {
    const pieces = await recite(bytes('ab.c'), { stopTokens: bytes('.') })
    expect([textOf(pieces), pieces.at(-1)!.finish]).toEqual(['ab', 'end-token'])
  })

  it('goes past the end token when told so', async () => {
    const pieces = await recite([97, 257, 98], { stopTokens: [], maxTokens: 3 })
    expect([textOf(pieces), pieces.at(-1)!.finish]).toEqual(['ab', 'length'])
  })

  it('gives the text up to the first stop, whatever the text', async () => {
    const words = fc.array(fc.constantFrom('a', 'b', 'é', '😀'), { maxLength: 12 }).map((parts) => parts.join(''))
    const stops = fc.array(fc.constantFrom('ab', 'aba', 'é', 'bé😀', '😀a'), { maxLength: 3 })
    await fc.assert(
      fc.asyncProperty(words, stops, async (text, stop) => {
        const first = Math.min(...stop.map((s) => text.indexOf(s)).map((at) => (at < 0 ? text.length : at)))
        expect(textOf(await recite(bytes(text), { stop }))).toBe(text.slice(0, first))
      }),
      { seed: 1, numRuns: 150 },
    )
  })

  it('frees the state when left', async () => {
    const stepper = reciter(bytes('abcdef'))
    for await (const { text } of generateText(stepper, byteTokenizer, 'hi')) if (text === 'c') break
    expect(stepper.openStates).toBe(0)
    expect(stepper.calls.length).toBe(3)
  })

  it('accepts an empty prompt where there is a start token', async () => {
    const pieces = generateText(new StubStepper(258, 8), byteTokenizer, '', { maxTokens: 1, stopTokens: [] })
    expect((await pieces.next()).done).toBe(false)
    await pieces.return()
    const { startToken: _, ...others } = byteTokenizer
    expect(() => generateText(new StubStepper(258, 8), { ...others, startToken: undefined }, '')).toThrow(DataError)
  })

  it('gives the text of tokens from anywhere, as it does itself', async () => {
    const script = bytes('abSTOPc')
    const given = [256, ...bytes('hi')]
    const stepper = reciter(script)
    const seen: GeneratedText[] = []
    const tokens = generate(stepper, given, { stopTokens: byteTokenizer.endTokens })
    for await (const piece of textPieces(tokens, byteTokenizer, given, { stop: ['STOP'] })) seen.push(piece)
    expect(seen).toEqual(await recite(script, { stop: ['STOP'] }))
    expect(seen.length).toBe(3)
    expect(stepper.openStates).toBe(0)
    const call = (options: unknown) => () => textPieces(tokens, byteTokenizer, given, options as TextStopOptions)
    for (const options of [{ stop: [''] }, { stops: [] }, null]) expect(call(options)).toThrow(OptionError)
  })

  it('refuses bad input before any work', () => {
    const stepper = reciter([])
    stepper.open = () => {
      throw new Error('work was begun')
    }
    const call = (prompt: unknown, options: unknown) => () =>
      generateText(stepper, byteTokenizer, prompt as string, options as GenerateTextOptions)
    expect(call('hi', { stops: [] })).toThrow(OptionError)
    expect(call('hi', { stop: [''] })).toThrow(OptionError)
    expect(call('hi', { stop: 'x' })).toThrow(OptionError)
    expect(call('hi', { topK: 0 })).toThrow(OptionError)
    expect(call('hi', null)).toThrow(OptionError)
    expect(call(7, {})).toThrow(DataError)
    expect(call('x'.repeat(64), {})).toThrow(ContextError)
    expect(() => generateText(new StubStepper(100, 8), byteTokenizer, 'hi')).toThrow(DataError)
  })
})
