import type { TextTokenizer } from '../base/model.ts'

/**
 * `prompt` with the tokens of `held` where both say the same. `held` is an earlier prompt, of length `start`, and an answer that was
 * generated after it; `prompt` is the conversation encoded anew, in which the same answer may be cut into other tokens. Returns `prompt`
 * itself where it does not begin as `held` does, or where the cuts do not meet at the answer's end.
 */
export function keepTokens(
  tokenizer: TextTokenizer,
  prompt: readonly number[],
  held: readonly number[],
  start: number,
): readonly number[] {
  const begin = prompt.slice(0, start)
  if (held.length <= start || begin.some((id, i) => id !== held[i])) return prompt
  const end = endOfText(tokenizer, prompt, start, textAfter(tokenizer, held, start))
  if (end === undefined) return prompt
  const kept = [...held, ...prompt.slice(end)]
  return tokenizer.decode(kept) === tokenizer.decode(prompt) ? kept : prompt
}

function textAfter(tokenizer: TextTokenizer, tokens: readonly number[], start: number): string {
  const stream = tokenizer.stream()
  for (const id of tokens.slice(0, start)) stream.push(id)
  return tokens.slice(start).reduce((text, id) => text + stream.push(id), '')
}

/** Where the tokens after `start` have said `text`; undefined when they say something else, or hold a control token. */
function endOfText(tokenizer: TextTokenizer, tokens: readonly number[], start: number, text: string): number | undefined {
  const stream = tokenizer.stream()
  for (const id of tokens.slice(0, start)) stream.push(id)
  let said = ''
  for (let place = start; said.length < text.length; place++) {
    const id = tokens[place]
    // Twice, because a text may lose the space that it begins with.
    if (id === undefined || tokenizer.decode([id, id]) === '') return undefined
    said += stream.push(id)
    if (said === text) return place + 1
  }
  return undefined
}
