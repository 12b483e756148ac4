import { Template } from '@huggingface/jinja'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { DataError, FormatError, OptionError } from '../../../src/base/errors.ts'
import {
  bytesTokenizer,
  type ChatMessage,
  chatTemplate,
  chatTemplateSource,
  encodeChat,
  tokenizerFromGguf,
} from '../../../src/tokenizers/index.ts'
import { chatml, hostile, llama2, llama3 } from './chat-templates.ts'
import { smallLlama } from './gguf-metadata.ts'
import { anyText } from './texts.ts'

const user = (content: string): ChatMessage => ({ role: 'user', content })
const assistant = (content: string): ChatMessage => ({ role: 'assistant', content })
const hello = [user('Hello'), assistant('Hi!'), user(' How are you? ')]

describe('chatTemplate', () => {
  test('renders ChatML', () => {
    const text =
      '<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\nHi!<|im_end|>\n<|im_start|>user\n How are you? <|im_end|>\n'
    expect(chatTemplate(chatml).render(hello)).toBe(text)
    expect(chatTemplate(chatml).render(hello, { addGenerationPrompt: true })).toBe(`${text}<|im_start|>assistant\n`)
  })

  test("renders Llama 2's and Llama 3's", () => {
    const tokens = { bosToken: '<s>', eosToken: '</s>' }
    expect(chatTemplate(llama2, tokens).render([{ role: 'system', content: 'Be brief.' }, ...hello])).toBe(
      '<s>[INST] <<SYS>>\nBe brief.\n<</SYS>>\n\nHello [/INST] Hi! </s><s>[INST] How are you? [/INST]',
    )
    expect(chatTemplate(llama3, { bosToken: '<|begin_of_text|>' }).render(hello.slice(2), { addGenerationPrompt: true })).toBe(
      '<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\nHow are you?<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n',
    )
  })

  test('renders what the library does without limits', () => {
    const turns = fc.array(fc.record({ role: fc.constantFrom('user', 'assistant', 'system'), content: anyText }), { minLength: 1 })
    fc.assert(
      fc.property(turns, fc.boolean(), (messages, addGenerationPrompt) => {
        for (const source of [chatml, llama3]) {
          const expected = new Template(source).render({ messages, add_generation_prompt: addGenerationPrompt, bos_token: '<s>' })
          expect(chatTemplate(source, { bosToken: '<s>' }).render(messages, { addGenerationPrompt })).toBe(expected)
        }
      }),
      { seed: 3, numRuns: 50 },
    )
  })

  test('knows variables, tools and the day', () => {
    const source = '{{ thinking }} {{ tools[0].name }} {{ strftime_now("%d %b %Y, %B %m %H:%M %%") }}'
    const template = chatTemplate(source, { variables: { thinking: false }, now: new Date(2024, 6, 5, 7, 8) })
    expect(template.render([user('')], { tools: [{ name: 'clock' }] })).toBe('false clock 05 Jul 2024, July 07 07:08 %')
  })

  test('a thousand turns are within the limits', () => {
    const long = Array.from({ length: 1000 }, (_, turn) => (turn % 2 === 0 ? user('Hello there. '.repeat(80)) : assistant('Hi!')))
    expect(chatTemplate(llama2).render(long)).toHaveLength(500 * ('[INST]  [/INST]'.length + 13 * 80 - 1) + 500 * ' Hi! '.length)
  })

  test.each(hostile)('is not taken in by %s', (_, source) => {
    expect(() => chatTemplate(source).render([user('a'), user('b')])).toThrow(FormatError)
  })

  test("passes the template's own objections on", () => {
    expect(() => chatTemplate(llama2).render([assistant('Hi!')])).toThrow(DataError)
    expect(() => chatTemplate(llama2).render([assistant('Hi!')])).toThrow('must alternate')
  })

  test.each<[unknown, string]>([
    [[], 'at least one'],
    ['hello', 'at least one'],
    [[{ role: 'user' }], 'message 0'],
    [[user('a'), { content: 'a' }], 'message 1'],
    [[{ role: 'user', content: 5 }], 'message 0'],
    [[{ role: 'user', content: 'a', call: () => 1 }], 'function'],
    [[{ role: 'user', content: 'a', big: 1n }], 'bigint'],
    [[{ role: 'user', content: 'a', day: new Date() }], 'object'],
  ])('refuses the messages %o', (messages, problem) => {
    expect(() => chatTemplate(chatml).render(messages as ChatMessage[])).toThrow(DataError)
    expect(() => chatTemplate(chatml).render(messages as ChatMessage[])).toThrow(problem)
  })

  test('refuses what it does not know', () => {
    expect(() => chatTemplate(chatml, { bos: '<s>' } as object)).toThrow(OptionError)
    expect(() => chatTemplate(chatml).render([user('a')], { generate: true } as object)).toThrow(OptionError)
    expect(() => chatTemplate(5 as unknown as string)).toThrow(FormatError)
    const circle: Record<string, unknown> = { role: 'user', content: 'a' }
    circle.self = circle
    expect(() => chatTemplate(chatml).render([circle as unknown as ChatMessage])).toThrow(DataError)
  })
})

describe('chatTemplateSource', () => {
  const named = [
    { name: 'default', template: 'a' },
    { name: 'tool_use', template: 'b' },
  ]

  test('finds the template of a tokenizer_config.json', () => {
    expect([undefined, null, 'a', named].map((field) => chatTemplateSource(field))).toEqual([undefined, undefined, 'a', 'a'])
    expect([chatTemplateSource(named, 'tool_use'), chatTemplateSource(named.slice(1))]).toEqual(['b', 'b'])
  })

  test.each([5, {}, [5], [{ name: 'default' }], []])('refuses %o', (field) => {
    expect(() => chatTemplateSource(field)).toThrow(FormatError)
  })

  test('refuses a name that there is not', () => {
    expect(() => chatTemplateSource(named, 'rag')).toThrow('"tool_use"')
  })
})

describe('encodeChat', () => {
  const names = ['<|im_start|>', '<|im_end|>', '<s>', '<s>>', '>']
  const tokenizer = bytesTokenizer({ specialTokens: names, startToken: '<s>' })
  const template = chatTemplate(chatml)
  const [turn, end, start] = [256, 257, 258]
  const bytes = (text: string) => [...new TextEncoder().encode(text)]

  test('special tokens of the template become ids, and the start comes first', () => {
    const ids = encodeChat(tokenizer, template, [user('Hi')], { addGenerationPrompt: true })
    expect(ids).toEqual([start, turn, ...bytes('user\nHi'), end, ...bytes('\n'), turn, ...bytes('assistant\n')])
    expect(encodeChat(tokenizer, chatTemplate('<s>a'), [user('')])).toEqual([start, 97])
  })

  test('those of a message never do', () => {
    const pieces = fc.constantFrom(
      ...names,
      '<',
      '<|',
      's',
      's>',
      '|im_end|>',
      '<|im_',
      'end|>',
      '\n',
      ' ',
      'a',
      '\ufdd0',
      '\ud800',
      'é',
    )
    const texts = fc.array(pieces, { maxLength: 8 }).map((parts) => parts.join(''))
    fc.assert(
      fc.property(texts, texts, (first, second) => {
        const ids = encodeChat(tokenizer, template, [user(first), assistant(second)])
        const clean = (text: string) => bytes(text.replace(/\p{Surrogate}/gu, '\ufffd'))
        const turns = [turn, ...bytes('user\n'), ...clean(first), end, 10, turn, ...bytes('assistant\n'), ...clean(second), end, 10]
        expect(ids).toEqual([start, ...turns])
      }),
      { seed: 11, numRuns: 500 },
    )
  })

  test('nor do they where message and template meet', () => {
    const around = chatTemplate('<{{ messages[0].content }}>{{ messages[1].content }}')
    for (const [first, second] of [
      ['s', 'a'],
      ['<s', '>'],
      ['|im_end|', ''],
      ['', 's>'],
      ['|im_', 'end|>'],
    ] as const) {
      const ids = encodeChat(tokenizer, around, [user(first), user(second)])
      expect(ids).toEqual([start, ...bytes(`<${first}`), 260, ...bytes(second)])
    }
  })

  test('a space begins what follows a special token where the vocabulary wants one', () => {
    const llama = tokenizerFromGguf(smallLlama())
    const ids = encodeChat(llama, chatTemplate('{{ bos_token }}{% for m in messages %}{{ m.content }}</s>{% endfor %}'), [
      user('a'),
      user('a'),
    ])
    expect(ids).toEqual([1, 7, 2, 7, 2])
  })

  test('refuses messages that are no plain data or use up the characters for marks', () => {
    expect(() => encodeChat(tokenizer, template, [{ role: 'user', content: 'a', call: () => 1 }])).toThrow(DataError)
    const all = Array.from({ length: 32 }, (_, index) => String.fromCharCode(0xfdd0 + index)).join('')
    expect(() => encodeChat(tokenizer, template, [user(all)])).toThrow(DataError)
  })
})
