import * as v from 'valibot'
import { DataError, MismatchError } from '../base/errors.ts'
import type { TextTokenizer } from '../base/model.ts'
import { checkOptions, wholeNumber } from '../base/options.ts'
import type { Documents } from './documents.ts'

/** Ids of a vocabulary of at most 65,536 take two bytes each, others four. */
export type Tokens = Uint16Array | Int32Array

/** Tokenized documents, end to end. */
export interface TokenDataset {
  readonly tokens: Tokens
  /** Document i is tokens[starts[i]] up to, without, tokens[starts[i + 1]]; one entry more than documents. */
  readonly starts: Int32Array
  readonly vocabularySize: number
}

export interface TokenDatasetOptions {
  /** Put after every document; default: nothing. */
  readonly endToken?: number
  readonly signal?: AbortSignal
  /** Called after every document. */
  readonly onProgress?: (progress: { readonly documents: number; readonly tokens: number }) => void
}

const schema = v.strictObject({
  endToken: v.optional(wholeNumber(0)),
  signal: v.optional(v.instance(AbortSignal)),
  onProgress: v.optional(v.function()),
})

const mostTokens = 2 ** 31 - 1
const blockLength = 2 ** 20

/**
 * Tokenizes documents into one array. Documents without tokens are left out.
 * Throws OptionError on unknown options, MismatchError when the end token or what the tokenizer returns is no id of its vocabulary,
 * DataError when there is no token or more than 2^31 - 1, and the signal's reason when aborted.
 * @example
 * const { tokens } = await tokenDataset(pieces, tokenizer, { endToken: 0 })
 */
export async function tokenDataset(
  documents: Documents,
  tokenizer: Pick<TextTokenizer, 'encode' | 'vocabularySize'>,
  options: TokenDatasetOptions = {},
): Promise<TokenDataset> {
  checkOptions(schema, options, 'tokenDataset')
  const { endToken, signal, onProgress } = options
  const { vocabularySize } = tokenizer
  if (endToken !== undefined) checkId(endToken, vocabularySize, 'the end token')
  const store = new TokenStore(vocabularySize)
  const starts = [0]
  for await (const document of documents) {
    signal?.throwIfAborted()
    for (const id of tokenizer.encode(document)) store.add(id, starts.length - 1)
    if (endToken !== undefined) store.add(endToken, starts.length - 1)
    if (store.length > starts.at(-1)!) starts.push(store.length)
    onProgress?.({ documents: starts.length - 1, tokens: store.length })
  }
  if (store.length === 0) throw new DataError('the documents hold no tokens', { expected: 'at least one' })
  return { tokens: store.joined(), starts: Int32Array.from(starts), vocabularySize }
}

function checkId(id: number, vocabularySize: number, what: string): void {
  if (Number.isInteger(id) && id >= 0 && id < vocabularySize) return
  throw new MismatchError(`${what} is ${id}`, {
    expected: `an id below ${vocabularySize}`,
    fix: 'use the tokenizer of this vocabulary',
  })
}

/** A growing array of ids, in blocks, so that growing copies nothing. */
class TokenStore {
  readonly #vocabularySize: number
  readonly #blocks: Tokens[] = []
  #length = 0

  constructor(vocabularySize: number) {
    this.#vocabularySize = vocabularySize
  }

  get length(): number {
    return this.#length
  }

  add(id: number, document: number): void {
    checkId(id, this.#vocabularySize, `a token of document ${document}`)
    const place = this.#length % blockLength
    if (place === 0) this.#addBlock()
    this.#blocks.at(-1)![place] = id
    this.#length++
  }

  joined(): Tokens {
    const tokens = this.#array(this.#length)
    for (const [index, block] of this.#blocks.entries()) {
      const start = index * blockLength
      tokens.set(block.subarray(0, Math.min(blockLength, this.#length - start)), start)
    }
    return tokens
  }

  #addBlock(): void {
    if (this.#length + blockLength > mostTokens)
      throw new DataError(`more than ${mostTokens - blockLength} tokens`, { fix: 'tokenize the files in several parts' })
    this.#blocks.push(this.#array(blockLength))
  }

  #array(length: number): Tokens {
    return this.#vocabularySize <= 2 ** 16 ? new Uint16Array(length) : new Int32Array(length)
  }
}
