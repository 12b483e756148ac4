import { byteAlphabet } from '../../../src/tokenizers/huggingface/decoder.ts'
import type { GgufMetadata } from '../../../src/tokenizers/index.ts'
import { gpt2Json, llamaPieces } from './published.ts'

const name = (key: string) => `tokenizer.ggml.${key}`

/** GPT-2's vocabulary as a GGUF file has it, made by its first merges, with three special tokens. */
export function gpt2Metadata(pre: string, mergeCount = 50_000): GgufMetadata {
  const { vocab, merges } = gpt2Json().model
  const tokens: string[] = []
  for (const [piece, id] of Object.entries(vocab)) if (id < 256 + mergeCount) tokens[id] = piece
  return metadata({
    model: 'gpt2',
    pre,
    tokens: [...tokens, '<|endoftext|>', '<|im_end|>', '<think>'],
    token_type: Int32Array.from([...tokens.map(() => 1), 3, 4, 4]),
    merges: merges.slice(0, mergeCount),
    bos_token_id: tokens.length,
    eos_token_id: tokens.length,
  })
}

/** Llama 2's vocabulary as a GGUF file has it. */
export function llamaMetadata(changes: Readonly<Record<string, unknown>> = {}): GgufMetadata {
  const pieces = llamaPieces()
  return metadata({
    model: 'llama',
    tokens: pieces.map(([piece]) => piece),
    scores: Float32Array.from(pieces, ([, score]) => score),
    token_type: Int32Array.from(pieces, (_, id) => (id === 0 ? 2 : id < 3 ? 3 : id < 259 ? 6 : 1)),
    bos_token_id: 1,
    eos_token_id: 2,
    unknown_token_id: 0,
    ...changes,
  })
}

/** Bytes, two merges, a start, an end and a token of the user. */
export function smallGpt2(changes: Readonly<Record<string, unknown>> = {}): GgufMetadata {
  const tokens = [...byteAlphabet(), 'he', 'hel', '<s>', '<|im_end|>', '<think>']
  return metadata({
    model: 'gpt2',
    pre: 'gpt-2',
    tokens,
    token_type: Int32Array.from(tokens, (_, id) => (id < 258 ? 1 : id === 258 ? 3 : 4)),
    merges: ['h e', 'he l'],
    bos_token_id: 258,
    eos_token_id: 258,
    ...changes,
  })
}

/** Special tokens, two bytes, letters and words. */
export function smallLlama(changes: Readonly<Record<string, unknown>> = {}): GgufMetadata {
  return metadata({
    model: 'llama',
    tokens: ['<unk>', '<s>', '</s>', '<0x0A>', '<0x62>', '▁', 'a', '▁a', '<|user|>', '▁▁'],
    scores: Float32Array.from([0, 0, 0, 0, 0, -3, -2, -1, 0, -4]),
    token_type: Int32Array.from([2, 3, 3, 6, 6, 1, 1, 1, 4, 4]),
    bos_token_id: 1,
    eos_token_id: 2,
    unknown_token_id: 0,
    ...changes,
  })
}

/** Undefined values leave a key out. */
function metadata(fields: Readonly<Record<string, unknown>>): GgufMetadata {
  const given = Object.entries(fields).filter(([, value]) => value !== undefined)
  return new Map(given.map(([key, value]) => [name(key), value]))
}

type Writer = (value: unknown) => { readonly type: number; readonly bytes: Uint8Array }

/** A GGUF file (version 3) of these metadata and no tensors: what llama.cpp reads when it wants the vocabulary only. */
export function writeVocabularyFile(given: GgufMetadata): Uint8Array {
  const all = new Map<string, unknown>([
    ['general.architecture', 'llama'],
    ['llama.context_length', 64],
    ...hyperparameters,
    ...given,
  ])
  const entries = [...all].map(([key, value]) => {
    const { type, bytes } = writeValue(value)
    return Buffer.concat([writeString(key), u32(type), bytes])
  })
  return Buffer.concat([Buffer.from('GGUF'), u32(3), u64(0), u64(all.size), ...entries])
}

const hyperparameters: readonly (readonly [string, number])[] = [
  ['llama.embedding_length', 8],
  ['llama.block_count', 1],
  ['llama.feed_forward_length', 8],
  ['llama.attention.head_count', 1],
]

const writeValue: Writer = (value) => {
  if (typeof value === 'string') return { type: 8, bytes: writeString(value) }
  if (typeof value === 'boolean') return { type: 7, bytes: Uint8Array.of(Number(value)) }
  if (typeof value === 'number') return { type: 4, bytes: u32(value) }
  if (value instanceof Float32Array) return writeList(6, value.length, new Uint8Array(value.buffer))
  if (value instanceof Int32Array) return writeList(5, value.length, new Uint8Array(value.buffer))
  const texts = value as readonly string[]
  return writeList(8, texts.length, Buffer.concat(texts.map(writeString)))
}

function writeList(type: number, length: number, bytes: Uint8Array): ReturnType<Writer> {
  return { type: 9, bytes: Buffer.concat([u32(type), u64(length), bytes]) }
}

function writeString(text: string): Uint8Array {
  const bytes = new TextEncoder().encode(text)
  return Buffer.concat([u64(bytes.length), bytes])
}

function u32(value: number): Uint8Array {
  return new Uint8Array(Uint32Array.of(value).buffer)
}

function u64(value: number): Uint8Array {
  return new Uint8Array(BigUint64Array.of(BigInt(value)).buffer)
}
