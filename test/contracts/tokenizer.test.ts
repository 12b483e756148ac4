import fc from 'fast-check'
import {
  bytesTokenizer,
  charactersTokenizer,
  sentencePieceTokenizer,
  tokenizerFromGguf,
  tokenizerFromHuggingFace,
  trainBpe,
  trainCharacters,
} from '../../src/tokenizers/index.ts'
import { llamaMetadata, smallGpt2 } from '../null/tokenizers/gguf-metadata.ts'
import { gpt2Config, gpt2Json, llamaJson, stories260K, storiesGreedy } from '../null/tokenizers/published.ts'
import { smallByteLevel, smallUnigram, smallWordPiece } from '../null/tokenizers/small-files.ts'
import { runTokenizerContract, type TokenizerCase, unicode } from './tokenizer-contract.ts'

const special = { specialTokens: ['<start>', '<end>', '<unknown>'], startToken: '<start>', endTokens: ['<end>'] }
const lowerCase = [...'abcdefghijklmnopqrstuvwxyz é🦙']
const composed = unicode.map((text) => text.normalize('NFC'))

const cases: readonly TokenizerCase[] = [
  { name: 'bytes', open: () => bytesTokenizer() },
  { name: 'bytes with special tokens', open: () => bytesTokenizer(special) },
  {
    name: 'characters',
    open: () => charactersTokenizer(lowerCase),
    texts: fc.string({ unit: fc.constantFrom(...lowerCase) }),
    limited: 'texts of the alphabet',
  },
  {
    name: 'characters with an unknown token',
    open: () => trainCharacters(['hello world'], { ...special, unknownToken: '<unknown>' }),
    lossy: 'characters outside the alphabet are unknown',
  },
  { name: 'bpe, trained', open: () => trainBpe([storiesGreedy().text], { vocabularySize: 400, ...special }) },
  { name: 'bpe, trained on whole texts', open: () => trainBpe([storiesGreedy().text], { vocabularySize: 400, pattern: 'none' }) },
  { name: 'sentencepiece, stories260K', open: () => sentencePieceTokenizer(stories260K()) },
  {
    name: 'sentencepiece, pieces across spaces and no leading space',
    open: () => sentencePieceTokenizer({ ...stories260K(), pieces: [...stories260K().pieces, ['o w', 5]], leadingSpace: false }),
  },
  { name: 'tokenizer.json, GPT-2', open: () => tokenizerFromHuggingFace(gpt2Json(), gpt2Config) },
  {
    name: 'tokenizer.json, Llama 2',
    open: () => tokenizerFromHuggingFace(llamaJson()),
    texts: unicode.map((text) => text.replaceAll('▁', '')),
    limited: 'texts without ▁, which is how this file writes a space',
  },
  {
    name: 'tokenizer.json, small byte-level',
    open: () => tokenizerFromHuggingFace(smallByteLevel()),
    texts: composed,
    limited: 'NFC texts',
  },
  {
    name: 'GGUF, Llama 2',
    open: () => tokenizerFromGguf(llamaMetadata()),
    texts: unicode.map((text) => text.replaceAll('▁', '')),
    limited: 'texts without ▁, which is how this file writes a space',
  },
  { name: 'GGUF, small byte-level', open: () => tokenizerFromGguf(smallGpt2({ pre: 'llama-bpe' })) },
  { name: 'tokenizer.json, WordPiece', open: () => tokenizerFromHuggingFace(smallWordPiece()), lossy: 'it lowers case' },
  { name: 'tokenizer.json, Unigram', open: () => tokenizerFromHuggingFace(smallUnigram()), lossy: 'it has few characters' },
]

for (const { name, lossy, limited } of cases) {
  if (lossy !== undefined) console.info(`tokenizer contract: no round trip for ${name}: ${lossy}`)
  if (limited !== undefined) console.info(`tokenizer contract: round trip for ${name} on ${limited} only`)
}
for (const given of cases) runTokenizerContract(given)
