import * as v from 'valibot'
import type { TextTokenizer } from '../base/model.ts'
import { checkOptions, refuseUnknown } from '../base/options.ts'
import {
  type Documents,
  type Split,
  splitDocuments,
  type TextDocumentsOptions,
  type Tokens,
  textDocuments,
  tokenDataset,
} from '../data/index.ts'
import { bytesTokenizer, trainBpe, trainCharacters } from '../tokenizers/index.ts'

/** How text becomes ids: a tokenizer that exists, or one to be made from the training documents. */
export type TokenizerChoice = TextTokenizer | 'bytes' | 'characters' | { readonly bpe: number }

export interface TextDataOptions {
  readonly documents: TextDocumentsOptions
  readonly tokenizer: TokenizerChoice
  /** Fraction held out: of the documents, or the end of the text when there is only one. Default 0.1. */
  readonly validation?: number
  /** Chooses the held-out documents. */
  readonly seed: number
  readonly signal?: AbortSignal
}

export interface TextData {
  readonly tokenizer: TextTokenizer
  readonly train: Tokens
  readonly validation: Tokens
  readonly documents: number
}

/** `bpe` is the size of the vocabulary; `trainBpe` checks it. */
const choiceSchema = v.union(
  [v.picklist(['bytes', 'characters']), v.strictObject({ bpe: v.number() }), v.looseObject({ encode: v.function() })],
  "expected 'bytes', 'characters', { bpe: size } or a tokenizer",
)
const fractionSchema = v.pipe(v.number(), v.gtValue(0), v.ltValue(1))

/** Most characters that a tokenizer is made from. */
const tokenizerSample = 2 ** 24

const endToken = '<|end|>'
/** Between documents, and before the first token of a generated one. */
const special = { specialTokens: [endToken], startToken: endToken, endTokens: [endToken] }

/**
 * Reads, splits and tokenizes text. With several documents each ends with an end token, which also starts a new one; one document
 * stays as it is. Characters and merges come from the training part (the first 16 Mi characters of it), but for the alphabet of
 * characters, which must cover the held-out part too. Throws DataError on no data, OptionError on bad options.
 */
export async function readTextData(options: TextDataOptions): Promise<TextData> {
  refuseUnknown(options, ['documents', 'tokenizer', 'validation', 'seed', 'signal'], 'readTextData')
  const { documents, tokenizer: choice, validation = 0.1, seed, signal } = options
  checkOptions(fractionSchema, validation, 'readTextData: validation')
  const all = textDocuments(documents)
  const count = await countDocuments(all)
  const split = splitDocuments(all, count === 1 ? { validation: 'last', fraction: validation } : { validation, seed })
  const tokenizer = await makeTokenizer(choice, all, split, count === 1 ? {} : special)
  const end = count > 1 ? tokenizer.endTokens[0] : undefined
  const tokenize = (part: Documents) =>
    tokenDataset(part, tokenizer, { ...(end !== undefined && { endToken: end }), ...(signal && { signal }) })
  const train = await tokenize(split.train)
  const heldOut = await tokenize(split.validation)
  return { tokenizer, train: train.tokens, validation: heldOut.tokens, documents: count }
}

async function countDocuments(documents: Documents): Promise<number> {
  let count = 0
  for await (const _ of documents) count++
  return count
}

async function makeTokenizer(
  choice: TokenizerChoice,
  all: Documents,
  { train }: Split,
  options: Partial<typeof special>,
): Promise<TextTokenizer> {
  checkOptions(choiceSchema, choice, 'readTextData: tokenizer')
  if (choice === 'bytes') return bytesTokenizer(options)
  if (choice === 'characters') return trainCharacters(await sample(all, Number.POSITIVE_INFINITY), options)
  if ('bpe' in choice) return trainBpe(await sample(train, tokenizerSample), { vocabularySize: choice.bpe, ...options })
  return choice
}

async function sample(documents: Documents, most: number): Promise<string[]> {
  const texts: string[] = []
  let length = 0
  for await (const document of documents) {
    texts.push(document)
    length += document.length
    if (length >= most) break
  }
  return texts
}
