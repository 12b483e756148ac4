import { DataError } from '../base/errors.ts'
import type { TextTokenizer } from '../base/model.ts'
import type { ChatMessage, ChatTemplate, RenderOptions } from './chat-template.ts'
import { wellFormed } from './checked.ts'
import { plainData } from './jinja/plain-data.ts'
import { tokenCutter } from './whole-tokens.ts'

/** A tokenizer that may name its control tokens; without names a template cannot write them. */
export interface ChatTokenizer extends Pick<TextTokenizer, 'encode' | 'startToken'> {
  readonly specialTokens?: ReadonlyMap<string, number>
}

/**
 * The ids of a conversation. Special tokens that the template writes become their ids; the same names in a message stay text,
 * wherever they stand and however template and message are joined, so that no message can end a turn or begin another. The start
 * token comes first, whether the template writes it or not.
 *
 * @throws DataError and FormatError as `render` does.
 * @example
 * const tokenizer = bytesTokenizer({ specialTokens: ['<end>'] })
 * const template = chatTemplate('{% for m in messages %}{{ m.content }}<end>{% endfor %}')
 * encodeChat(tokenizer, template, [{ role: 'user', content: 'a' }]) // [97, 256]
 */
export function encodeChat(
  tokenizer: ChatTokenizer,
  template: ChatTemplate,
  messages: readonly ChatMessage[],
  options: RenderOptions = {},
): number[] {
  const names = tokenizer.specialTokens ?? new Map<string, number>()
  const given = plainData([messages, options], 'the messages')
  const mark = unusedCharacter(JSON.stringify(given) + template.source)
  const [guarded, guardedOptions] = guardian([...names.keys()], mark)(given) as [readonly ChatMessage[], RenderOptions]
  const cut = tokenCutter(names)
  const parts = joinTexts(cutUnmarked(template.render(guarded, guardedOptions), cut, mark))
  const ids = parts.flatMap((part) => (typeof part === 'number' ? part : tokenizer.encode(part)))
  const start = tokenizer.startToken
  return start === undefined || ids[0] === start ? ids : [start, ...ids]
}

/** A character that no text has: one of those that Unicode never assigns. */
function unusedCharacter(text: string): string {
  for (let code = 0xfdd0; code <= 0xfdef; code++) {
    const character = String.fromCharCode(code)
    if (!text.includes(character)) return character
  }
  throw new DataError('the messages have all of the characters U+FDD0 to U+FDEF', { fix: 'take them out: they stand for nothing' })
}

/**
 * A function that copies plain data with a mark in front of every place of its texts where a name begins, or begins and may be
 * completed by what follows, or is completed that may have begun before.
 */
function guardian(names: readonly string[], mark: string): (value: unknown) => unknown {
  const byFirst = new Map<string, string[]>()
  for (const name of names) byFirst.set(name[0]!, [...(byFirst.get(name[0]!) ?? []), name])
  const ends = new Set(names.flatMap((name) => Array.from(name.slice(1), (_, index) => name.slice(index + 1))))
  const longest = Math.max(0, ...names.map((name) => name.length))
  const begins = (text: string, place: number) =>
    byFirst.get(text[place]!)?.some((name) => text.startsWith(name, place) || name.startsWith(text.slice(place, place + longest)))
  const completes = (text: string) => {
    for (let length = 1; length < longest; length++) if (ends.has(text.slice(0, length))) return true
    return text.length < longest && [...ends].some((end) => end.startsWith(text))
  }
  const guardText = (text: string): string => {
    let guarded = text !== '' && completes(text) ? mark : ''
    for (let place = 0; place < text.length; place++) guarded += begins(text, place) ? mark + text[place] : text[place]
    return guarded
  }
  const guard = (value: unknown): unknown => {
    if (typeof value === 'string') return guardText(wellFormed(value))
    if (Array.isArray(value)) return value.map(guard)
    if (typeof value !== 'object' || value === null) return value
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, key === 'role' ? item : guard(item)]))
  }
  return guard
}

type Part = string | number

/** Cuts names out; the character behind a mark begins none, and no name reaches over a mark. */
function cutUnmarked(text: string, cut: (text: string) => Part[], mark: string): Part[] {
  const [first = '', ...others] = text.split(mark)
  return [...cut(first), ...others.flatMap((part): Part[] => [part.slice(0, 1), ...cut(part.slice(1))])]
}

function joinTexts(parts: readonly Part[]): Part[] {
  const joined: Part[] = []
  for (const part of parts) {
    const last = joined.at(-1)
    if (typeof part === 'string' && typeof last === 'string') joined[joined.length - 1] = last + part
    else if (part !== '') joined.push(part)
  }
  return joined
}
