import { FormatError } from '../../base/errors.ts'
import { checkText, largestVocabulary, quoted } from '../checked.ts'

/** Metadata of a GGUF file: strings, booleans, numbers (bigint for 64 bits), typed arrays and arrays of the former. */
export type GgufMetadata = ReadonlyMap<string, unknown>

/** What GGUF's `tokenizer.ggml.token_type` says of a token. */
export const tokenTypes = { normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6 } as const

/** The vocabulary of a GGUF file, checked as far as all kinds share it. */
export interface GgufVocabulary {
  /** Texts of the tokens by id: not empty, all different. */
  readonly tokens: readonly string[]
  /** One of `tokenTypes` per id. */
  readonly types: readonly number[]
  readonly bos: number | undefined
  readonly eos: number | undefined
  readonly unknown: number | undefined
  /** Ids that end a sequence or a turn: those that the file names, and control tokens with a well-known name. */
  readonly ends: readonly number[]
  readonly addBos: boolean | undefined
}

const key = (name: string) => `tokenizer.ggml.${name}`

/**
 * What both kinds of vocabularies share. `usual` are the ids of special tokens in files that do not name them.
 *
 * @throws FormatError when the tokens are missing, empty or repeated, types are of another number or unknown, or an id is not in the
 * vocabulary.
 */
export function readGgufVocabulary(metadata: GgufMetadata, usual: Readonly<Record<string, number>> = {}): GgufVocabulary {
  const tokens = readTexts(metadata, 'tokens')
  const seen = new Map<string, number>()
  for (const [id, token] of tokens.entries()) {
    checkText(token, (problem) => new FormatError(`${key('tokens')}: token ${id} ${problem}`))
    if (seen.has(token)) throw new FormatError(`${key('tokens')}: ${seen.get(token)} and ${id} are both ${quoted(token)}`)
    seen.set(token, id)
  }
  const types = readTypes(metadata, tokens.length)
  const isSpecial = (id: number | undefined) => id !== undefined && (types[id] ?? tokenTypes.normal) !== tokenTypes.normal
  const idOf = (name: string) => readId(metadata, name, tokens.length) ?? (isSpecial(usual[name]) ? usual[name] : undefined)
  const eos = idOf('eos_token_id')
  idOf('padding_token_id')
  return {
    tokens,
    types,
    bos: idOf('bos_token_id'),
    eos,
    unknown: idOf('unknown_token_id'),
    ends: endsOf([eos, idOf('eot_token_id'), idOf('eom_token_id')], seen, types),
    addBos: readFlag(metadata, 'add_bos_token'),
  }
}

/** A list of texts of at most as many entries as a vocabulary may have. */
export function readTexts(metadata: GgufMetadata, name: string): readonly string[] {
  const list = metadata.get(key(name))
  if (!Array.isArray(list) || !list.every((entry) => typeof entry === 'string')) {
    throw new FormatError(`${key(name)} is ${list === undefined ? 'missing' : 'no list of strings'}`)
  }
  if (list.length === 0 || list.length > largestVocabulary) {
    throw new FormatError(`${key(name)} has ${list.length} entries`, { expected: `1 to ${largestVocabulary}` })
  }
  return list
}

/** Numbers, one per token; undefined where the file has none. */
export function readNumbers(metadata: GgufMetadata, name: string, count: number): readonly number[] | undefined {
  const given = metadata.get(key(name))
  if (given === undefined) return undefined
  const isList = Array.isArray(given) || (ArrayBuffer.isView(given) && !(given instanceof DataView))
  if (!isList) throw new FormatError(`${key(name)} is no list of numbers`)
  const list = given as ArrayLike<unknown>
  if (list.length !== count) {
    throw new FormatError(`${key(name)} has ${list.length} entries`, { expected: `${count}, one per token` })
  }
  return Array.from(list, (entry, id) => {
    if (typeof entry !== 'number') throw new FormatError(`${key(name)}: entry ${id} is ${typeof entry}`, { expected: 'a number' })
    return entry
  })
}

export function readFlag(metadata: GgufMetadata, name: string): boolean | undefined {
  const given = metadata.get(key(name))
  if (given === undefined || typeof given === 'boolean') return given
  throw new FormatError(`${key(name)} is ${typeof given}`, { expected: 'a boolean' })
}

export function readText(metadata: GgufMetadata, name: string): string | undefined {
  const given = metadata.get(key(name))
  if (given === undefined || typeof given === 'string') return given
  throw new FormatError(`${key(name)} is ${typeof given}`, { expected: 'a string' })
}

function readId(metadata: GgufMetadata, name: string, count: number): number | undefined {
  const given = metadata.get(key(name))
  if (given === undefined) return undefined
  const id = typeof given === 'bigint' ? Number(given) : given
  if (typeof id === 'number' && Number.isInteger(id) && id >= 0 && id < count) return id
  throw new FormatError(`${key(name)} is ${typeof given === 'string' ? quoted(given) : String(given)}`, {
    expected: `an integer from 0 to ${count - 1}`,
  })
}

function readTypes(metadata: GgufMetadata, count: number): readonly number[] {
  const types = readNumbers(metadata, 'token_type', count) ?? Array.from({ length: count }, () => tokenTypes.normal)
  const known: readonly number[] = Object.values(tokenTypes)
  const wrong = types.findIndex((type) => !known.includes(type))
  if (wrong >= 0) {
    throw new FormatError(`${key('token_type')}: token ${wrong} is of type ${types[wrong]}`, {
      expected: `one of ${known.join(', ')}`,
    })
  }
  return types
}

/** Names of tokens that end a turn. Files often name one end only, where a chat's turns end with another. */
const endNames: readonly string[] = [
  ...['<|eot_id|>', '<|eom_id|>', '<|im_end|>', '<|end|>', '<end_of_turn>', '<|endoftext|>', '<|end_of_text|>', '<|return|>'],
  ...['<|call|>', '<EOT>', '[EOT]', '<end_of_utterance>', '<\uff5cend\u2581of\u2581sentence\uff5c>'],
]

function endsOf(named: readonly (number | undefined)[], ids: ReadonlyMap<string, number>, types: readonly number[]): number[] {
  // In the files of gpt-oss <|end|> ends a message within a turn.
  const names = ids.has('<|return|>') && ids.has('<|call|>') ? endNames.filter((name) => name !== '<|end|>') : endNames
  const isSpecial = (id: number) => types[id] === tokenTypes.control || types[id] === tokenTypes.userDefined
  const found = names.map((name) => ids.get(name)).filter((id) => id !== undefined && isSpecial(id))
  return [...new Set([...named, ...found])].filter((id) => id !== undefined)
}
