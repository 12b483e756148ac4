import { ContextError, DataError, DisposedError, OptionError } from '../base/errors.ts'
import type { TextTokenizer } from '../base/model.ts'
import { checkKeys, checkStepper } from './checks.ts'
import { type Continuation, type GeneratedToken, generateOptionNames, openContinuation, whilePreparing } from './continuation.ts'
import { type GeneratedText, type GenerateTextOptions, textPieces } from './generate-text.ts'
import { HeldState } from './held-state.ts'
import { keepTokens } from './keep-tokens.ts'
import type { Stepper, StepperState } from './stepper.ts'

export interface ChatTurn {
  readonly role: 'system' | 'user' | 'assistant'
  readonly content: string
}

export interface ChatSessionOptions {
  /** Ids of a conversation, up to where the next answer begins: what a chat template makes of it. */
  readonly encode: (turns: readonly ChatTurn[]) => readonly number[]
  /** What the model is told before the first turn. Default: nothing. */
  readonly system?: string
}

/** A conversation with a model, which keeps its state between the turns. */
export interface ChatSession extends AsyncDisposable {
  readonly turns: readonly ChatTurn[]
  /** Tokens of the last prompt: the conversation up to the last answer. */
  readonly promptTokens: number
  /** How many of them the state held already, so that they were not computed again. */
  readonly reusedTokens: number
  /**
   * Says something, and gives the answer as it comes. Options are those of `generateText`. A finished answer becomes a turn, as does
   * what there is of one that was aborted or left; after an error, and when nothing came, the conversation is as before.
   *
   * Throws at the call what `generateText` throws, DataError for a text that is empty or no text, ContextError when the conversation is
   * longer than the context, and OptionError while another answer is on its way.
   */
  send(text: string, options?: GenerateTextOptions): AsyncGenerator<GeneratedText, void, undefined>
}

/**
 * Opens a conversation. Each prompt is compared with what the state holds, token by token, and only what differs is fed. An answer keeps
 * the tokens that it was generated with, where encoding the conversation anew would cut the same text otherwise.
 * @example
 * const chat = openChatSession(stepper, tokenizer, { encode: (turns) => tokenizer.encode(turns.map((turn) => turn.content).join('\n')) })
 * for await (const { text } of chat.send('Hello!', { maxTokens: 50 })) process.stdout.write(text)
 */
export function openChatSession<State extends StepperState>(
  stepper: Stepper<State>,
  tokenizer: TextTokenizer,
  options: ChatSessionOptions,
): ChatSession {
  checkStepper(stepper)
  checkKeys(options, { encode: true, system: true })
  return new HeldChat(stepper, tokenizer, options)
}

const sendOptionNames = { ...generateOptionNames, stop: true }

class HeldChat<State extends StepperState> implements ChatSession {
  readonly #stepper: Stepper<State>
  readonly #tokenizer: TextTokenizer
  readonly #encode: ChatSessionOptions['encode']
  readonly #held: HeldState<State>
  #turns: readonly ChatTurn[]
  /** The last prompt and the answer's tokens, without one that only ended it. */
  #said: readonly number[] = []
  #reused = 0
  #prompt = 0
  #busy = false
  #disposed = false

  constructor(stepper: Stepper<State>, tokenizer: TextTokenizer, { encode, system }: ChatSessionOptions) {
    this.#stepper = stepper
    this.#tokenizer = tokenizer
    this.#encode = encode
    this.#held = new HeldState(stepper)
    this.#turns = system === undefined ? [] : [{ role: 'system', content: system }]
  }

  get turns(): readonly ChatTurn[] {
    return this.#turns
  }

  get promptTokens(): number {
    return this.#prompt
  }

  get reusedTokens(): number {
    return this.#reused
  }

  send(text: string, options: GenerateTextOptions = {}): AsyncGenerator<GeneratedText, void, undefined> {
    if (this.#disposed) throw new DisposedError('the conversation is over', { fix: 'open another one' })
    if (this.#busy) throw new OptionError('another answer is on its way', { fix: 'wait for its end, or leave its loop' })
    checkKeys(options, sendOptionNames)
    if (typeof text !== 'string' || text === '')
      throw new DataError('the message is no text', { expected: 'a string that is not empty' })
    const { stop = [], stopTokens = this.#tokenizer.endTokens, ...others } = options
    const encoded = this.#encode([...this.#turns, { role: 'user', content: text }])
    const prompt = keepTokens(this.#tokenizer, encoded, this.#said, this.#prompt)
    checkRoom(prompt.length, this.#stepper.contextLength)
    const continuation = openContinuation(this.#stepper, prompt, { ...others, stopTokens })
    const pieces = textPieces(this.#tokens(continuation), this.#tokenizer, prompt, { stop })
    return this.#answer(text, this.#turns, pieces, options.signal)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed = true
    await this.#held[Symbol.asyncDispose]()
  }

  async *#answer(
    text: string,
    before: readonly ChatTurn[],
    pieces: AsyncGenerator<GeneratedText>,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<GeneratedText, void, undefined> {
    if (this.#busy || this.#turns !== before) throw new OptionError('the conversation has gone on', { fix: 'send again' })
    this.#busy = true
    let answer = ''
    let failed = false
    try {
      for await (const piece of pieces) {
        answer += piece.text
        yield piece
      }
    } catch (error) {
      failed = signal?.aborted !== true
      throw error
    } finally {
      this.#busy = false
      if (!failed && answer !== '') {
        this.#turns = [...before, { role: 'user', content: text }, { role: 'assistant', content: answer }]
      }
    }
  }

  async *#tokens(continuation: Continuation): AsyncGenerator<GeneratedToken, void, undefined> {
    try {
      yield* this.#generate(continuation)
    } finally {
      await continuation.close()
    }
  }

  async *#generate(continuation: Continuation): AsyncGenerator<GeneratedToken, void, undefined> {
    const { tokens, signal, promptLength } = continuation
    const { logits, reused } = await whilePreparing(continuation, this.#held.feed(tokens, signal))
    this.#reused = reused
    this.#prompt = promptLength
    this.#said = [...tokens]
    await this.#held.mark()
    for (let last = logits; ; ) {
      const chosen = await continuation.next(last)
      if (chosen.finish !== 'end-token') this.#said = [...continuation.tokens]
      yield chosen
      if (chosen.finish !== undefined) return
      if (this.#disposed) throw new DisposedError('the conversation is over')
      last = (await whilePreparing(continuation, this.#held.feed(continuation.tokens, signal))).logits
    }
  }
}

function checkRoom(prompt: number, context: number): void {
  if (prompt <= context) return
  throw new ContextError(`the conversation has ${prompt} tokens`, {
    expected: `at most the ${context} that the context holds`,
    fix: 'begin a new one, or say it in fewer words',
  })
}
