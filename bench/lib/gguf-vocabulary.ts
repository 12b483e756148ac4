import type { GgufValue } from './gguf-values.ts'
import { namedSeed, uniformGenerator } from './random.ts'

/** Which tokenizer a file declares: SentencePiece-like ('llama') or byte-level BPE ('gpt2'). */
export type VocabularyKind = 'llama' | 'gpt2'

/** Kinds of token in `tokenizer.ggml.token_type`. */
const [normal, unknown, control, byte] = [1, 2, 3, 6] as const

/** The `tokenizer.ggml.*` records of a made-up vocabulary of exactly `size` distinct tokens. */
export function vocabularyMetadata(kind: VocabularyKind, size: number, seed: number): Readonly<Record<string, GgufValue>> {
  const least = kind === 'llama' ? 259 + letters.length : 257
  if (size < least) throw new Error(`a ${kind} vocabulary has at least ${least} tokens; ${size} were asked for`)
  return kind === 'llama' ? sentencePieces(size, seed) : byteLevelPieces(size, seed)
}

const space = '▁'
const letters = [space, ...'etaoinshrdlucmfwypvbgkjqxzETAOINSHRDLUCMFWYPVBGKJQXZ.,!?-0123456789']

function sentencePieces(size: number, seed: number): Record<string, GgufValue> {
  const bytes = Array.from({ length: 256 }, (_, value) => `<0x${value.toString(16).toUpperCase().padStart(2, '0')}>`)
  const { pieces } = joinedPieces(letters, size - 259, seed, (left, right) => !right.startsWith(space) && left !== '')
  const tokens = ['<unk>', '<s>', '</s>', ...bytes, ...pieces]
  const kinds = tokens.map((_, id) => (id === 0 ? unknown : id < 3 ? control : id < 259 ? byte : normal))
  return {
    'tokenizer.ggml.model': { type: 'string', value: 'llama' },
    'tokenizer.ggml.tokens': { type: 'string[]', value: tokens },
    'tokenizer.ggml.scores': { type: 'f32[]', value: tokens.map((_, id) => (id < 259 ? 0 : 258 - id)) },
    'tokenizer.ggml.token_type': { type: 'i32[]', value: kinds },
    'tokenizer.ggml.bos_token_id': { type: 'u32', value: 1 },
    'tokenizer.ggml.eos_token_id': { type: 'u32', value: 2 },
    'tokenizer.ggml.unknown_token_id': { type: 'u32', value: 0 },
  }
}

function byteLevelPieces(size: number, seed: number): Record<string, GgufValue> {
  const { pieces, merges } = joinedPieces(byteCharacters(), size - 1, seed, (_, right) => !right.startsWith('Ġ'))
  const tokens = [...pieces, '<|endoftext|>']
  return {
    'tokenizer.ggml.model': { type: 'string', value: 'gpt2' },
    'tokenizer.ggml.pre': { type: 'string', value: 'gpt-2' },
    'tokenizer.ggml.tokens': { type: 'string[]', value: tokens },
    'tokenizer.ggml.token_type': { type: 'i32[]', value: tokens.map((_, id) => (id === size - 1 ? control : normal)) },
    'tokenizer.ggml.merges': { type: 'string[]', value: merges },
    'tokenizer.ggml.bos_token_id': { type: 'u32', value: size - 1 },
    'tokenizer.ggml.eos_token_id': { type: 'u32', value: size - 1 },
  }
}

/** The characters that stand for the bytes 0…255 in byte-level BPE: printable Latin-1 itself, the rest shifted above U+0100. */
function byteCharacters(): string[] {
  let shifted = 0x100
  const printable = (value: number) => (value > 0x20 && value < 0x7f) || (value > 0xa0 && value !== 0xad)
  return Array.from({ length: 256 }, (_, value) => String.fromCharCode(printable(value) ? value : shifted++))
}

/** Grows pieces by joining two earlier ones, early ones more often, until there are `size`; `merges` are the joins in order. */
function joinedPieces(start: readonly string[], size: number, seed: number, allowed: (left: string, right: string) => boolean) {
  const uniform = uniformGenerator(namedSeed(seed, 'vocabulary'))
  const pieces = [...start]
  const seen = new Set(pieces)
  const merges: string[] = []
  const pick = () => pieces[Math.floor(pieces.length * uniform() ** 2)]!
  while (pieces.length < size) {
    const [left, right] = [pick(), pick()]
    const joined = left + right
    if (seen.has(joined) || joined.length > 12 || !allowed(left, right)) continue
    seen.add(joined)
    pieces.push(joined)
    merges.push(`${left} ${right}`)
  }
  return { pieces, merges }
}
