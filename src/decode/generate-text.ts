import { DataError } from '../base/errors.ts'
import type { TextStream, TextTokenizer } from '../base/model.ts'
import { checkKeys, checkStepper } from './checks.ts'
import { type FinishReason, type GeneratedToken, type GenerateOptions, generateOptionNames } from './continuation.ts'
import { generate } from './generate.ts'
import type { Stepper, StepperState } from './stepper.ts'
import { createStops, type StopCutter } from './stops.ts'
import type { TokenSource } from './token-source.ts'

export interface TextStopOptions {
  /** Texts that end the generation; they are not part of it. */
  readonly stop?: readonly string[] | undefined
}

/** `stopTokens` defaults to the tokenizer's end tokens; `[]` goes on past them. */
export interface GenerateTextOptions extends GenerateOptions, TextStopOptions {}

export interface GeneratedText {
  /** What these tokens add to the text; may hold what earlier ones left open, and leave open what later ones complete. */
  readonly text: string
  /** The tokens since the piece before, at least one. */
  readonly tokens: readonly GeneratedToken[]
  /** On the last piece only. */
  readonly finish?: FinishReason
}

/**
 * Continues a text, after the tokenizer's start token if there is one. Pieces hold whole characters only, and never a part of a stop
 * string or the text of a stop token. Throws as `generate` does, and OptionError on a stop that is empty or not well-formed. A source of
 * tokens, such as an engine, takes its own options too.
 * @example
 * for await (const { text } of generateText(stepper, tokenizer, 'Once upon', { maxTokens: 50, stop: ['\n\n'] })) process.stdout.write(text)
 */
export function generateText<Options extends GenerateOptions>(
  source: TokenSource<Options>,
  tokenizer: TextTokenizer,
  prompt: string,
  options?: Options & TextStopOptions,
): AsyncGenerator<GeneratedText, void, undefined>
export function generateText<State extends StepperState>(
  stepper: Stepper<State>,
  tokenizer: TextTokenizer,
  prompt: string,
  options?: GenerateTextOptions,
): AsyncGenerator<GeneratedText, void, undefined>
export function generateText<State extends StepperState>(
  from: Stepper<State> | TokenSource,
  tokenizer: TextTokenizer,
  prompt: string,
  options: GenerateTextOptions = {},
): AsyncGenerator<GeneratedText, void, undefined> {
  if (typeof from !== 'object' || from === null) checkStepper(from)
  const source = 'generate' in from ? from : plainSource(from)
  checkKeys(options, { ...source.optionNames, stop: true })
  if (typeof prompt !== 'string') throw new DataError('the prompt is not a text', { expected: 'a string' })
  const { stop = [], stopTokens = tokenizer.endTokens, ...others } = options
  const start = tokenizer.startToken === undefined ? [] : [tokenizer.startToken]
  const given = [...start, ...tokenizer.encode(prompt)]
  const stops = createStops(stop)
  return pieces(source.generate(given, { ...others, stopTokens }), continuing(tokenizer, given), stops)
}

/**
 * The text of tokens that continue `prompt`, as `generateText` gives it: for prompts that are ids already, such as those of a chat, and
 * for streams whose usage is wanted. Leaving the loop leaves the tokens. Throws OptionError on a stop that is empty or not well-formed.
 * @example
 * const answers = generate(stepper, prompt, { stopTokens: tokenizer.endTokens })
 * for await (const { text } of textPieces(answers, tokenizer, prompt, { stop: ['User:'] })) process.stdout.write(text)
 */
export function textPieces(
  tokens: AsyncIterable<GeneratedToken>,
  tokenizer: TextTokenizer,
  prompt: readonly number[],
  options: TextStopOptions = {},
): AsyncGenerator<GeneratedText, void, undefined> {
  checkKeys(options, { stop: true })
  return pieces(tokens, continuing(tokenizer, prompt), createStops(options.stop ?? []))
}

function plainSource<State extends StepperState>(stepper: Stepper<State>): TokenSource {
  return { optionNames: generateOptionNames, generate: (prompt, options) => generate(stepper, prompt, options) }
}

/** A decoder that has read the prompt: what a token's text is may depend on what came before (a word's leading space). */
function continuing(tokenizer: TextTokenizer, given: readonly number[]): TextStream {
  const stream = tokenizer.stream()
  for (const id of given) stream.push(id)
  return stream
}

async function* pieces(
  tokens: AsyncIterable<GeneratedToken>,
  decoder: TextStream,
  stops: StopCutter,
): AsyncGenerator<GeneratedText, void, undefined> {
  let fresh: GeneratedToken[] = []
  for await (const token of tokens) {
    fresh.push(token)
    let text = token.finish === 'end-token' ? '' : stops.push(decoder.push(token.token))
    if (token.finish !== undefined) text += stops.push(decoder.end()) + stops.end()
    const finish = stops.matched === undefined ? token.finish : 'stop'
    if (text === '' && finish === undefined) continue
    yield { text, tokens: fresh, ...(finish && { finish }) }
    if (finish !== undefined) return
    fresh = []
  }
}
