import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { readGguf } from '../../../src/formats/index.ts'
import { openFileSource } from '../../../src/platform/file-source.ts'
import { type GgufMetadata, type NamedTokenizer, tokenizerFromGguf } from '../../../src/tokenizers/index.ts'
import { gpt2Metadata, llamaMetadata, writeVocabularyFile } from '../../null/tokenizers/gguf-metadata.ts'
import { anyText } from '../../null/tokenizers/texts.ts'
import { publishedData } from '../../published-data.ts'
import { type LlamaCpp, startLlamaCpp } from './llama-cpp.ts'

const words = fc.constantFrom(
  ...[
    'Hello',
    ' world',
    "'s",
    "'LL",
    ' 1234567',
    '12',
    '\n\n',
    '\r\n',
    '  ',
    ' ',
    '\t',
    ' the',
    '!!',
    ' ($',
    '`',
    ' --',
    '…',
    '。',
    '，',
  ],
  ...[
    'é',
    ' Straße',
    '漢字',
    'ひらがな',
    '한국어',
    '🦙',
    '\u0085',
    '\ufeff',
    '\u00a0',
    '\u3000',
    '½',
    '٣٤٥',
    'e\u0301',
    '<|im_end|>',
    '</s>',
  ],
  ...['<think>', 'CamelCase', 'ελληνικά', ' = [', ']+', '<=>', '\\n', 'Ωmega', '\u200b'],
)
const texts = fc.oneof(
  fc.array(words, { maxLength: 12 }).map((parts) => parts.join('')),
  anyText,
)

let llamaCpp: LlamaCpp
beforeAll(async () => {
  llamaCpp = await startLlamaCpp()
}, 120_000)
afterAll(() => llamaCpp.close(), 60_000)

async function compare(tokenizer: NamedTokenizer, file: GgufMetadata | string): Promise<void> {
  const { encode, close } = await llamaCpp.open(typeof file === 'string' ? file : writeVocabularyFile(file))
  fc.assert(
    fc.property(texts, (text) => {
      expect(tokenizer.encode(text)).toEqual(encode(text))
    }),
    { seed: 5, numRuns: 200 },
  )
  await close()
}

test.each([
  'default',
  'gpt-2',
  'llama-bpe',
  'dbrx',
  'qwen2',
  'qwen35',
  'smollm',
  'falcon',
  'deepseek-llm',
  'deepseek-v3',
  'gpt-4o',
  'tekken',
])(
  "gives llama.cpp's ids with merges of GPT-2 cut as %s",
  async (pre) => {
    const metadata = gpt2Metadata(pre, 3000)
    await compare(tokenizerFromGguf(metadata), metadata)
  },
  60_000,
)

test("gives llama.cpp's ids with Llama 2's vocabulary", async () => {
  await compare(tokenizerFromGguf(llamaMetadata()), llamaMetadata())
  const bare = llamaMetadata({ add_space_prefix: false })
  await compare(tokenizerFromGguf(bare), bare)
}, 60_000)

const stories = publishedData('models/lm-stories260K/stories260K-f32.gguf')
test.runIf(stories)(
  "gives llama.cpp's ids for stories260K",
  async () => {
    await using file = await openFileSource(stories!)
    await compare(tokenizerFromGguf((await readGguf(file)).metadata), stories!)
  },
  60_000,
)
