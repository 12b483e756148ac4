import { type Constraint, score } from '../../decode/index.ts'
import { embed, openEngine } from '../../engine/index.ts'
import { type GrammarCompiler, type GrammarSpec, openGrammarCompiler } from '../../grammars/index.ts'
import type { Device } from '../../platform/index.ts'
import { type ChatFormat, loadModel, readChatFormat, type TextModel } from '../../systems/index.ts'
import { type ChatTokenizer, chatTemplate, encodeChat } from '../../tokenizers/index.ts'
import type { ServeLimits } from '../limits.ts'
import { Turns } from '../turns.ts'
import { type ChatEncoder, longestTokenOf, type TextHost } from './text-host.ts'

export interface TextHostOptions {
  readonly device: Device
  readonly limits: ServeLimits
  /** Of conversations, in the place of the model's own. */
  readonly chatTemplate?: string | undefined
  /** Bytes of states that are kept for prompts that begin alike. 0: none. */
  readonly prefixCacheBytes: number
  /** Tokens of a sequence. Default: as many as the model has learnt. */
  readonly context?: number | undefined
  /** Bytes of the weights. */
  readonly bytes: number
  readonly signal?: AbortSignal | undefined
}

/** Loads a language model for many requests at once. Rejects as `loadModel` does. */
export async function openTextHost(path: string, options: TextHostOptions): Promise<TextHost> {
  const { device, context, signal } = options
  const own = await readChatFormat(path)
  const format = options.chatTemplate === undefined ? own : { ...own, template: options.chatTemplate, stop: [] }
  const model = await loadModel(path, { device, ...(context && { context }), ...(signal && { signal }) })
  try {
    return textHost(model, format, options)
  } catch (error) {
    await model[Symbol.asyncDispose]()
    throw error
  }
}

/** A loaded model for many requests at once; the model is the host's from now on. */
export function textHost(model: TextModel, format: ChatFormat | undefined, options: TextHostOptions): TextHost {
  const { limits, prefixCacheBytes, bytes } = options
  const { stepper, tokenizer } = model
  const { runningRows: maxRows, queuedRequests: maxWaiting, queuedTokens: maxWaitingTokens } = limits
  const cache = prefixCacheBytes > 0 ? { prefixCache: { bytes: prefixCacheBytes } } : {}
  const engine = openEngine(stepper, { maxRows, maxWaiting, maxWaitingTokens, ...cache })
  const grammars = new LazyGrammars(() => openGrammars(model, limits))
  const turns = new Turns(limits.queuedRequests)
  return {
    kind: 'text',
    engine,
    tokenizer,
    longestToken: longestTokenOf(tokenizer),
    chat: format && chatEncoder(tokenizer, format),
    constraintOf: (spec, signal) => grammars.compile(spec, signal),
    embed: (sequences, signal) => turns.run(() => embed(stepper, sequences, { signal }), signal),
    score: (tokens, given) => turns.run(() => score(stepper, tokens, given), given.signal),
    stateBytes: () => stepper.memory().cacheBytes,
    bytes: () => bytes + stepper.memory().reservedBytes,
    check: () => engine.check(),
    async [Symbol.asyncDispose]() {
      await engine[Symbol.asyncDispose]()
      await grammars[Symbol.asyncDispose]()
      await model[Symbol.asyncDispose]()
    },
  }
}

function openGrammars({ tokenizer, stepper }: TextModel, limits: ServeLimits): Promise<GrammarCompiler> {
  const { schemaCharacters, schemaDepth, grammarTime } = limits
  return openGrammarCompiler({ tokenizer, vocabularySize: stepper.vocabularySize, schemaCharacters, schemaDepth, grammarTime })
}

/** A compiler that is opened when something is to be compiled. */
class LazyGrammars implements AsyncDisposable {
  readonly #open: () => Promise<GrammarCompiler>
  #compiler: Promise<GrammarCompiler> | undefined

  constructor(open: () => Promise<GrammarCompiler>) {
    this.#open = open
  }

  async compile(spec: GrammarSpec, signal: AbortSignal): Promise<Constraint> {
    this.#compiler ??= this.#open()
    return (await this.#compiler).compile(spec, { signal })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await (await this.#compiler)?.[Symbol.asyncDispose]()
  }
}

/** Ids of a conversation, as its template writes it. */
function chatEncoder(tokenizer: TextModel['tokenizer'] & ChatTokenizer, format: ChatFormat): ChatEncoder {
  const nameOf = (id: number | undefined) => [...(tokenizer.specialTokens ?? [])].find(([, one]) => one === id)?.[0] ?? ''
  const { bosToken = nameOf(tokenizer.startToken), eosToken = nameOf(tokenizer.endTokens[0]) } = format
  const template = chatTemplate(format.template, { bosToken, eosToken })
  return {
    encode: (messages, options) => encodeChat(tokenizer, template, messages, options),
    stop: format.stop,
    writesTools: /\btools\b/.test(format.template),
  }
}
