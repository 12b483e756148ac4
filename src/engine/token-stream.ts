import type { GeneratedToken } from '../decode/continuation.ts'

/** What one request cost. */
export interface Usage {
  readonly promptTokens: number
  /** Of the prompt's: those whose state came from the prefix cache. */
  readonly reusedTokens: number
  readonly generatedTokens: number
  /** Milliseconds until the request had a row; undefined before. */
  readonly waited: number | undefined
}

/** The tokens of one request, and what it cost so far. */
export interface GenerationStream extends AsyncGenerator<GeneratedToken, void, undefined> {
  readonly usage: Usage
}

/** What the reader of a stream does. */
export interface StreamReader {
  /** Asked for the first token. What this throws is what the reader gets. */
  began(): void
  /** Took a token; so many are left unread. */
  read(unread: number): void
  /** Wants no more. Resolves when everything that the stream held is free. */
  left(): Promise<void>
  usage(): Usage
}

interface Request {
  readonly resolve: (result: IteratorResult<GeneratedToken, void>) => void
  readonly reject: (error: unknown) => void
}

/**
 * Tokens on their way from an engine to whoever reads them. Unlike a generator function it hears of `return()` at once, also before
 * its first token and while a token is awaited.
 */
export class TokenStream implements GenerationStream {
  readonly #reader: StreamReader
  readonly #unread: GeneratedToken[] = []
  readonly #requests: Request[] = []
  #began = false
  #ended = false
  #failure: { readonly error: unknown } | undefined

  constructor(reader: StreamReader) {
    this.#reader = reader
  }

  get usage(): Usage {
    return this.#reader.usage()
  }

  get unread(): number {
    return this.#unread.length
  }

  push(token: GeneratedToken): void {
    if (this.#ended) return
    const request = this.#requests.shift()
    if (request === undefined) this.#unread.push(token)
    else request.resolve({ value: token, done: false })
  }

  /** Nothing comes any more; after a failure its error, once. Tokens not yet read stay, unless they are dropped. */
  end(failure?: { readonly error: unknown }, drop = false): void {
    if (this.#ended) return
    this.#ended = true
    this.#failure = failure
    if (drop) this.#unread.length = 0
    for (const { resolve, reject } of this.#requests.splice(0)) this.#answerLast().then(resolve, reject)
  }

  async next(): Promise<IteratorResult<GeneratedToken, void>> {
    if (!this.#began) this.#begin()
    const token = this.#unread.shift()
    if (token !== undefined) {
      this.#reader.read(this.#unread.length)
      return { value: token, done: false }
    }
    if (this.#ended) return this.#answerLast()
    return new Promise((resolve, reject) => this.#requests.push({ resolve, reject }))
  }

  async return(): Promise<IteratorResult<GeneratedToken, void>> {
    this.#failure = undefined
    this.end(undefined, true)
    this.#unread.length = 0
    if (this.#began) await this.#reader.left()
    this.#began = true
    return { value: undefined, done: true }
  }

  async throw(error: unknown): Promise<IteratorResult<GeneratedToken, void>> {
    await this.return()
    throw error
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return()
  }

  #begin(): void {
    this.#began = true
    if (this.#ended) return
    try {
      this.#reader.began()
    } catch (error) {
      this.#ended = true
      throw error
    }
  }

  async #answerLast(): Promise<IteratorResult<GeneratedToken, void>> {
    const failure = this.#failure
    this.#failure = undefined
    if (failure !== undefined) throw failure.error
    return { value: undefined, done: true }
  }
}
