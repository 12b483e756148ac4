import type { CompiledGrammar, GrammarCompiler, GrammarMatcher, TokenizerInfo } from '@mlc-ai/web-xgrammar'
import { DisposedError, NextxError, RuntimeError } from '../base/errors.ts'
import { shortened } from '../base/options.ts'
import { loadGrammarLibrary } from '../platform/grammar-library.ts'
import type { GrammarHost, GrammarSource, GrammarVocabulary, HostHandles, Step } from './grammar-host.ts'

type Library = typeof import('@mlc-ai/web-xgrammar')

interface Matcher {
  readonly matcher: GrammarMatcher
  ended: boolean
}

/** Grammars in this thread. `kept`: how many are kept compiled. */
export async function openLibraryHost(vocabulary: GrammarVocabulary, kept: number): Promise<GrammarHost> {
  const printed: string[] = []
  const library = await loadGrammarLibrary<Library>({ print: (line) => void printed.push(String(line)) })
  // A token behind all others ends texts, so that the library looks for no end token by its name.
  const tokens = [...byteLevelTokens(vocabulary), '']
  const info = await library.TokenizerInfo.createTokenizerInfo(tokens, 'byte_level', false, tokens.length, [vocabulary.size])
  const compiler = await library.GrammarCompiler.createGrammarCompiler(info, false)
  return new LibraryHost(library, { info, compiler, vocabulary, kept, printed })
}

interface Parts {
  readonly info: TokenizerInfo
  readonly compiler: GrammarCompiler
  readonly vocabulary: GrammarVocabulary
  readonly kept: number
  readonly printed: string[]
}

class LibraryHost implements GrammarHost {
  readonly #library: Library
  readonly #parts: Parts
  /** By their texts, the least recently used first. */
  readonly #grammars = new Map<string, CompiledGrammar>()
  readonly #matchers = new Map<number, Matcher>()
  /** What is being done: the library's calls are asynchronous, and must not mix. */
  #last: Promise<unknown> = Promise.resolve()
  #disposed = false

  constructor(library: Library, parts: Parts) {
    this.#library = library
    this.#parts = parts
  }

  compile(source: GrammarSource): Promise<void> {
    return this.#turn(async () => void (await this.#grammar(source)))
  }

  open(id: number, source: GrammarSource, tokens: readonly number[]): Promise<void> {
    return this.#turn(async () => {
      const { handle } = await this.#grammar(source)
      // The library asks a grammar for a handle of its vocabulary, which it never frees; this one is the same, and freed.
      const grammar = { handle, tokenizerInfo: () => this.#parts.info } as CompiledGrammar
      // Without waiting for the end token, the library tells whether a text may end.
      const matcher = await this.#library.GrammarMatcher.createGrammarMatcher(grammar, undefined, true)
      const state = { matcher, ended: false }
      this.#matchers.set(id, state)
      for (const token of tokens) this.#accept(state, token)
    })
  }

  allowed(id: number): Promise<Int32Array> {
    return this.#turn(() => this.#allowed(this.#at(id)))
  }

  advance(id: number, token: number): Promise<Step> {
    return this.#turn(async () => {
      const state = this.#at(id)
      if (!this.#accept(state, token)) return 'refused'
      if (state.ended) return 'finished'
      return state.matcher.isTerminated() && (await this.#nothingFollows(state)) ? 'finished' : 'open'
    })
  }

  close(id: number): Promise<void> {
    return this.#turn(async () => {
      this.#matchers.get(id)?.matcher.dispose()
      this.#matchers.delete(id)
    })
  }

  async handles(): Promise<HostHandles> {
    return { grammars: this.#grammars.size, matchers: this.#matchers.size }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#disposed) return
    const end = this.#turn(async () => {
      for (const { matcher } of this.#matchers.values()) matcher.dispose()
      for (const grammar of this.#grammars.values()) grammar.dispose()
      this.#matchers.clear()
      this.#grammars.clear()
      this.#parts.compiler.dispose()
      this.#parts.info.dispose()
    })
    this.#disposed = true
    await end
  }

  #turn<T>(task: () => Promise<T>): Promise<T> {
    if (this.#disposed) throw new DisposedError('the grammars are disposed')
    const done = this.#last.then(task).catch((error) => {
      throw this.#failure(error)
    })
    this.#last = done.catch(() => undefined)
    return done
  }

  /** The library stops where C++ would throw; what is wrong, it prints. */
  #failure(error: unknown): unknown {
    const printed = this.#parts.printed.splice(0).join(' ')
    if (!(error instanceof Error) || error instanceof NextxError) return error
    return new RuntimeError(`the grammar library failed: ${shortened(printed.replace(/\S*\/cpp\/\S*/g, ''))}`, { cause: error })
  }

  async #grammar({ kind, text }: GrammarSource): Promise<CompiledGrammar> {
    const key = `${kind} ${text}`
    const known = this.#grammars.get(key)
    this.#grammars.delete(key)
    const grammar = known ?? (await this.#compile(kind, text))
    this.#grammars.set(key, grammar)
    for (const [oldest, unused] of this.#grammars) {
      if (this.#grammars.size <= this.#parts.kept) break
      unused.dispose()
      this.#grammars.delete(oldest)
    }
    return grammar
  }

  async #compile(kind: GrammarSource['kind'], text: string): Promise<CompiledGrammar> {
    const { compiler } = this.#parts
    if (kind === 'tags') return compiler.compileStructuralTag(text)
    const grammar = await this.#library.Grammar.fromEBNF(text)
    try {
      return await compiler.compileGrammar(grammar)
    } finally {
      grammar.dispose()
    }
  }

  #accept(state: Matcher, token: number): boolean {
    if (state.ended) return false
    if (!this.#parts.vocabulary.endTokens.includes(token)) return state.matcher.acceptToken(token)
    state.ended = state.matcher.isTerminated()
    return state.ended
  }

  async #allowed({ matcher, ended }: Matcher): Promise<Int32Array> {
    const { size, endTokens } = this.#parts.vocabulary
    if (ended) return new Int32Array(1)
    const words = await matcher.getNextTokenBitmask()
    // Behind the vocabulary stand the library's own end token and bits that mean nothing.
    words[size >> 5]! &= (1 << (size & 31)) - 1
    if (matcher.isTerminated()) for (const token of endTokens) words[token >> 5]! |= 1 << (token & 31)
    return words
  }

  async #nothingFollows(state: Matcher): Promise<boolean> {
    const words = await this.#allowed(state)
    for (const token of this.#parts.vocabulary.endTokens) words[token >> 5]! &= ~(1 << (token & 31))
    return words.every((word) => word === 0)
  }

  #at(id: number): Matcher {
    const state = this.#matchers.get(id)
    if (state === undefined) throw new RuntimeError(`there is no state ${id} of a grammar`)
    return state
  }
}

/** The tokens as GPT-2 writes bytes, which is a form that the library reads for any bytes whatever. */
function byteLevelTokens({ size, bytes, ends }: GrammarVocabulary): string[] {
  const alphabet = byteAlphabet()
  return Array.from({ length: size }, (_, id) => {
    let token = ''
    for (let at = id === 0 ? 0 : (ends[id - 1] ?? 0); at < (ends[id] ?? 0); at++) token += alphabet[bytes[at]!]
    return token
  })
}

/** Printable characters of Latin-1 stand for themselves, the others, in order, for U+0100 onwards. */
function byteAlphabet(): string[] {
  let next = 0x100
  return Array.from({ length: 256 }, (_, byte) => {
    const printable = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xff && byte !== 0xad)
    return String.fromCharCode(printable ? byte : next++)
  })
}
