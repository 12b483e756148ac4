import * as v from 'valibot'
import { DisposedError, LimitError, OptionError } from '../base/errors.ts'
import type { TextTokenizer } from '../base/model.ts'
import { checkOptions, wholeNumber } from '../base/options.ts'
import { unlessAborted } from '../base/unless-aborted.ts'
import type { Constraint, ConstraintState } from '../decode/constraint.ts'
import type { GrammarHost, GrammarSource, GrammarVocabulary, HostHandles } from './grammar-host.ts'
import { grammarSource } from './grammar-source.ts'
import type { GrammarSpec } from './grammar-spec.ts'
import { openHost } from './open-host.ts'

export interface GrammarCompilerOptions {
  readonly tokenizer: TextTokenizer
  /** Of the model, where it has more ids than the tokenizer; those are never allowed. Default: the tokenizer's. */
  readonly vocabularySize?: number
  /** Compiled grammars that are kept, the least recently used go first. Default 64. */
  readonly kept?: number
  /** In Node: work in a thread of its own, so that no grammar holds up the event loop, and limits of time hold. Default true. */
  readonly worker?: boolean
  /** Characters of a grammar's JSON. Default 65,536. */
  readonly schemaCharacters?: number
  /** Objects and lists within one another, of a schema. Default 32. */
  readonly schemaDepth?: number
  /** Milliseconds to compile one. Default 5,000. */
  readonly grammarTime?: number
  /** Milliseconds to find out what may come next, for one token. Default 1,000. */
  readonly tokenTime?: number
}

/** Makes constraints of grammars, over the vocabulary of one tokenizer. */
export interface GrammarCompiler extends AsyncDisposable {
  /**
   * A constraint for any number of sequences, one after the other or at once. A grammar that was compiled before is not compiled again.
   * Rejects with OptionError for what is malformed or not supported, named with its place; LimitError for what is too large or takes too
   * long; RuntimeError when the library fails; DisposedError; the signal's reason.
   */
  compile(spec: GrammarSpec, options?: { readonly signal?: AbortSignal | undefined }): Promise<Constraint>
  /** What it holds now. */
  handles(): Promise<HostHandles>
}

const schema = v.strictObject({
  tokenizer: v.custom<TextTokenizer>(
    (given) => typeof (given as TextTokenizer | undefined)?.tokenBytes === 'function',
    'no tokenizer',
  ),
  vocabularySize: v.optional(wholeNumber(1, 2 ** 24)),
  kept: v.optional(wholeNumber(1, 2 ** 16), 64),
  worker: v.optional(v.boolean(), true),
  schemaCharacters: v.optional(wholeNumber(1, 2 ** 24), 2 ** 16),
  schemaDepth: v.optional(wholeNumber(1, 256), 32),
  grammarTime: v.optional(wholeNumber(1, 2 ** 31 - 1), 5_000),
  tokenTime: v.optional(wholeNumber(1, 2 ** 31 - 1), 1_000),
})

/**
 * Opens a compiler. In Node it works in a thread of its own, which is replaced when a grammar takes too long; in a browser it works in the
 * page, where the times do not hold. Throws OptionError on an unknown option or a value out of range, RuntimeError when the library or the
 * thread's file is missing.
 * @example
 * await using grammars = await openGrammarCompiler({ tokenizer, vocabularySize: stepper.vocabularySize })
 * const constraint = await grammars.compile({ kind: 'choice', choices: ['yes', 'no'] })
 * for await (const { text } of generateText(stepper, tokenizer, 'A cat?', { constraint })) process.stdout.write(text)
 */
export async function openGrammarCompiler(options: GrammarCompilerOptions): Promise<GrammarCompiler> {
  checkOptions(schema, options, 'openGrammarCompiler')
  const { tokenizer, vocabularySize = tokenizer.vocabularySize, kept, worker, ...limits } = v.parse(schema, options)
  if (vocabularySize < tokenizer.vocabularySize) {
    throw new OptionError(`vocabularySize is ${vocabularySize}`, {
      expected: `at least the tokenizer's ${tokenizer.vocabularySize}`,
    })
  }
  const times = { compile: limits.grammarTime, token: limits.tokenTime }
  const host = await openHost(vocabularyOf(tokenizer, vocabularySize), { kept, worker, times })
  return new HostedCompiler(host, { characters: limits.schemaCharacters, depth: limits.schemaDepth })
}

class HostedCompiler implements GrammarCompiler {
  readonly #host: GrammarHost
  readonly #limits: { readonly characters: number; readonly depth: number }
  #matchers = 0
  #disposed = false

  constructor(host: GrammarHost, limits: { readonly characters: number; readonly depth: number }) {
    this.#host = host
    this.#limits = limits
  }

  async compile(spec: GrammarSpec, { signal }: { readonly signal?: AbortSignal | undefined } = {}): Promise<Constraint> {
    signal?.throwIfAborted()
    this.#checkOpen()
    const source = grammarSource(spec, this.#limits)
    await unlessAborted(this.#host.compile(source), signal)
    return { open: () => this.#open(source) }
  }

  handles(): Promise<HostHandles> {
    return this.#host.handles()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed = true
    await this.#host[Symbol.asyncDispose]()
  }

  async #open(source: GrammarSource): Promise<ConstraintState> {
    this.#checkOpen()
    const matcher = this.#matchers++
    await this.#host.open(matcher, source, [])
    return new HostedState(this.#host, matcher)
  }

  #checkOpen(): void {
    if (this.#disposed) throw new DisposedError('the grammar compiler is disposed', { fix: 'open another one' })
  }
}

class HostedState implements ConstraintState {
  finished = false
  readonly #host: GrammarHost
  readonly #matcher: number
  #closed: Promise<void> | undefined

  constructor(host: GrammarHost, matcher: number) {
    this.#host = host
    this.#matcher = matcher
  }

  allowed(): Promise<Int32Array> {
    return this.#host.allowed(this.#matcher)
  }

  async advance(token: number): Promise<void> {
    const step = await this.#host.advance(this.#matcher, token)
    if (step === 'refused') throw new OptionError(`the grammar does not allow the token ${token}`)
    this.finished = step === 'finished'
  }

  close(): Promise<void> {
    this.#closed ??= this.#host.close(this.#matcher)
    return this.#closed
  }
}

function vocabularyOf(tokenizer: TextTokenizer, size: number): GrammarVocabulary {
  const endTokens = tokenizer.endTokens
  const ends = new Uint32Array(size)
  const pieces: Uint8Array[] = []
  let total = 0
  for (let id = 0; id < size; id++) {
    const bytes = id < tokenizer.vocabularySize && !endTokens.includes(id) ? tokenizer.tokenBytes(id) : undefined
    if (bytes !== undefined) pieces.push(bytes)
    total += bytes?.length ?? 0
    ends[id] = total
  }
  if (total === 0) throw new LimitError('the tokenizer has no tokens that are text')
  const bytes = new Uint8Array(total)
  let at = 0
  for (const piece of pieces) {
    bytes.set(piece, at)
    at += piece.length
  }
  return { size, bytes, ends, endTokens }
}
