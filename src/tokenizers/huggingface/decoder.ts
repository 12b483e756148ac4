import * as v from 'valibot'
import { FormatError } from '../../base/errors.ts'
import { checkFile, quoted } from '../checked.ts'

/** Where a token stands and what it is. */
export interface TokenPlace {
  /** No text token came before. */
  readonly atStart: boolean
  /** One of the file's added_tokens. */
  readonly added: boolean
}

/** UTF-8 bytes of one token. */
export type TokenDecoder = (content: string, place: TokenPlace) => Uint8Array

type Piece = string | Uint8Array
type Stage = (piece: Piece, place: TokenPlace) => Piece

const prepend = v.optional(v.picklist(['always', 'first', 'never']))
const schemas = {
  ByteLevel: v.object({}),
  ByteFallback: v.object({}),
  Fuse: v.object({}),
  Metaspace: v.object({
    replacement: v.optional(v.pipe(v.string(), v.length(1)), '▁'),
    prepend_scheme: prepend,
    add_prefix_space: v.optional(v.boolean()),
  }),
  Replace: v.object({
    pattern: v.strictObject({ String: v.pipe(v.string(), v.minLength(1)) }),
    content: v.pipe(v.string(), v.maxLength(64)),
  }),
  Strip: v.object({ content: v.pipe(v.string(), v.regex(/^[ -~]$/)), start: v.picklist([0, 1]), stop: v.literal(0) }),
  WordPiece: v.object({ prefix: v.optional(v.string(), '##'), cleanup: v.optional(v.boolean(), true) }),
}
const sequence = v.object({ type: v.literal('Sequence'), decoders: v.pipe(v.array(v.unknown()), v.maxLength(16)) })
const typed = v.object({ type: v.string() })

/**
 * What the file's decoder makes of one token. Every supported decoder looks at a token and its place only, so that a growing
 * sequence decodes to the same text as a whole one. Without a decoder, tokens are joined with spaces.
 *
 * @throws FormatError for decoders that look at other tokens (BPEDecoder, CTC), or in an order that would.
 */
export function readDecoder(given: unknown): TokenDecoder {
  const stages = given === null || given === undefined ? [joinWithSpaces] : readStages(given)
  const encoder = new TextEncoder()
  return (content, place) => {
    const piece = stages.reduce<Piece>((text, stage) => stage(text, place), content)
    return typeof piece === 'string' ? encoder.encode(piece) : piece
  }
}

const joinWithSpaces: Stage = (piece, { atStart }) => (atStart ? piece : ` ${piece as string}`)

function readStages(given: unknown): Stage[] {
  checkFile(typed, given, 'decoder')
  const isSequence = (given as { readonly type: string }).type === 'Sequence'
  if (isSequence) checkFile(sequence, given, 'decoder Sequence')
  const steps = isSequence ? (given as v.InferOutput<typeof sequence>).decoders : [given]
  const types = steps.map((step) => {
    checkFile(typed, step, 'decoder')
    return (step as { readonly type: string }).type
  })
  checkOrder(types)
  return steps.map((step, index) => readStage(types[index]!, step))
}

/** Text stages first, then those that make bytes, then Fuse, then Strip: any other order would look at more than one token. */
function checkOrder(types: readonly string[]): void {
  const rank: Readonly<Record<string, number>> = {
    Replace: 0,
    Metaspace: 0,
    WordPiece: 0,
    ByteLevel: 1,
    ByteFallback: 1,
    Fuse: 2,
    Strip: 3,
  }
  for (const [index, type] of types.entries()) {
    if (!Object.hasOwn(rank, type)) {
      throw new FormatError(`decoder ${quoted(type)} is not supported`, { expected: Object.keys(rank).join(', ') })
    }
    const before = types[index - 1]
    if (before !== undefined && rank[before]! > rank[type]!)
      throw new FormatError(`decoder ${type} after ${before} is not supported`)
  }
  if (types.includes('Strip') && !types.includes('Fuse')) throw new FormatError('decoder Strip without Fuse is not supported')
}

function readStage(type: string, step: unknown): Stage {
  const schema = schemas[type as keyof typeof schemas]
  checkFile(schema, step, `decoder ${type}`)
  switch (type) {
    case 'ByteLevel':
      return byteLevel()
    case 'ByteFallback':
      return byteFallback
    case 'Metaspace':
      return metaspace(v.parse(schemas.Metaspace, step))
    case 'Replace': {
      const { pattern, content } = v.parse(schemas.Replace, step)
      return onText((text) => text.replaceAll(pattern.String, () => content))
    }
    case 'Strip': {
      const { content, start } = v.parse(schemas.Strip, step)
      return start === 0 ? (piece) => piece : stripFirst(content)
    }
    case 'WordPiece':
      return wordPiece(v.parse(schemas.WordPiece, step))
    default:
      return (piece) => piece
  }
}

function onText(change: (text: string, place: TokenPlace) => Piece): Stage {
  return (piece, place) => (typeof piece === 'string' ? change(piece, place) : piece)
}

/** GPT-2's printable alphabet for bytes, backwards. Added tokens are plain text, as are tokens outside the alphabet. */
function byteLevel(): Stage {
  const bytes = new Map([...byteAlphabet()].map((character, byte) => [character, byte]))
  return onText((text, { added }) => {
    const values = added ? [] : Array.from(text, (character) => bytes.get(character) ?? -1)
    return added || values.includes(-1) ? text : Uint8Array.from(values)
  })
}

/** The character of each byte: printable ones of Latin-1 stand for themselves, the others, in order, for U+0100 onwards. */
export function byteAlphabet(): string[] {
  let next = 0x100
  return Array.from({ length: 256 }, (_, byte) => {
    const printable = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xff && byte !== 0xad)
    return String.fromCharCode(printable ? byte : next++)
  })
}

const byteFallback: Stage = onText((text) =>
  /^<0x[0-9A-Fa-f]{2}>$/.test(text) ? Uint8Array.of(Number.parseInt(text.slice(3, 5), 16)) : text,
)

function metaspace({ replacement, prepend_scheme, add_prefix_space }: v.InferOutput<typeof schemas.Metaspace>): Stage {
  const drops = (prepend_scheme ?? (add_prefix_space === false ? 'never' : 'always')) !== 'never'
  return onText((text, { atStart }) => {
    const spaced = text.replaceAll(replacement, ' ')
    return drops && atStart && spaced.startsWith(' ') ? spaced.slice(1) : spaced
  })
}

function stripFirst(content: string): Stage {
  return (piece, { atStart }) => {
    if (!atStart) return piece
    if (typeof piece === 'string') return piece.startsWith(content) ? piece.slice(1) : piece
    return piece[0] === content.charCodeAt(0) ? piece.subarray(1) : piece
  }
}

function wordPiece({ prefix, cleanup }: v.InferOutput<typeof schemas.WordPiece>): Stage {
  return onText((text, { atStart }) => {
    const joined = atStart ? text : prefix !== '' && text.startsWith(prefix) ? text.slice(prefix.length) : ` ${text}`
    return cleanup ? closeUp(joined) : joined
  })
}

/** Takes away the space that English does not put before these. */
function closeUp(text: string): string {
  return text
    .replace(/ ([.?!,])/g, '$1')
    .replaceAll(" ' ", "'")
    .replace(/ (n't|'m|'s|'ve|'re)/g, '$1')
}
