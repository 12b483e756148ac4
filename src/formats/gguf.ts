import type { ByteSource } from '../base/byte-source.ts'
import { FormatError } from '../base/errors.ts'
import type { StoredTensors } from '../base/stored-tensor.ts'
import { GgufCursor } from './gguf-cursor.ts'
import { alignUp, leastTensorBytes, placeTensors, readTensorClaim, type TensorClaim } from './gguf-tensors.ts'
import { type GgufValue, readString, readTypedValue, type TypedValue } from './gguf-values.ts'
import { resolveLimits } from './limits.ts'
import { quoted } from './text.ts'

export interface GgufLimits {
  /** Longest header (metadata and descriptions of tensors), in bytes. Default 100,000,000. */
  readonly maxHeaderBytes?: number
  /** Most entries, strings, booleans and tensors together; an array in an array counts as ten. Default 2,000,000. */
  readonly maxValues?: number
  /** Deepest nesting of arrays. Default 4. */
  readonly maxDepth?: number
  /** Longest name of a tensor, in bytes. Default 64, as in the specification. */
  readonly maxNameBytes?: number
}

export interface Gguf {
  readonly version: number
  /** By key, in the order of the file. */
  readonly metadata: ReadonlyMap<string, GgufValue>
  /** By name, in the order of the file; shapes have the outermost axis first, which the file has last. */
  readonly tensors: StoredTensors
}

const defaultLimits = { maxHeaderBytes: 100_000_000, maxValues: 2_000_000, maxDepth: 4, maxNameBytes: 64 }
type Limits = Readonly<typeof defaultLimits>

/** Magic, version, number of tensors, number of entries. */
const headBytes = 4 + 4 + 8 + 8
const magic = 0x46554747 // 'GGUF'
const versions = [2, 3]

/** Length of the key, type, and a value of one byte. */
const leastEntryBytes = 8 + 4 + 1
const longestKey = 65_535 // bytes, as in the specification

const alignmentKey = 'general.alignment'
const defaultAlignment = 32 // bytes

/**
 * Reads the header of a GGUF file: its metadata, and where its tensors lie. Their data is not read; see `readStoredTensor`.
 *
 * @throws FormatError for anything that is no whole GGUF file of version 2 or 3, is over a limit, or has tensors of a type that nextx
 * does not read, naming the entry or the tensor. DataError when the source cannot be read.
 * @example
 * await using file = await openFileSource('model.gguf')
 * const { metadata, tensors } = await readGguf(file)
 * console.log(metadata.get('general.architecture'), tensors.get('token_embd.weight')?.shape)
 */
export async function readGguf(source: ByteSource, given: GgufLimits = {}): Promise<Gguf> {
  const limits = resolveLimits(defaultLimits, given, 'GGUF')
  const cursor = new GgufCursor(source, limits)
  await cursor.need(headBytes, 'its head')
  const version = readVersion(cursor)
  const tensorCount = cursor.count(leastTensorBytes, 'the number of tensors')
  const entryCount = cursor.count(leastEntryBytes, 'the number of metadata entries')
  const entries = await readEntries(cursor, entryCount, limits)
  const alignment = alignmentOf(entries.get(alignmentKey))
  const claims = await readTensorClaims(cursor, tensorCount, limits)
  const tensors = placeTensors(claims, { source, dataStart: alignUp(cursor.offset, alignment), alignment })
  return { version, metadata: new Map(Array.from(entries, ([key, { value }]) => [key, value])), tensors }
}

function readVersion(cursor: GgufCursor): number {
  if (cursor.uint32() !== magic) throw new FormatError("GGUF: the file does not begin with 'GGUF'")
  const version = cursor.uint32()
  if (versions.includes(version)) return version
  // The bytes of a small number in the other order.
  const isBigEndian = version !== 0 && version % 2 ** 16 === 0
  throw new FormatError(isBigEndian ? 'GGUF: the file is big-endian' : `GGUF: the file has version ${version}`, {
    expected: isBigEndian ? 'little-endian' : versions.join(' or '),
    fix: 'convert the model anew',
  })
}

async function readEntries(cursor: GgufCursor, count: number, limits: Limits): Promise<Map<string, TypedValue>> {
  const entries = new Map<string, TypedValue>()
  for (let number = 0; number < count; number++) {
    const key = await readString(cursor, `key ${number}`, longestKey)
    if (key === '') throw new FormatError(`GGUF: key ${number} is empty`)
    if (entries.has(key)) throw new FormatError(`GGUF: the key ${quoted(key)} comes twice`)
    entries.set(key, await readTypedValue(cursor, limits.maxDepth, `the value of ${quoted(key)}`))
  }
  return entries
}

function alignmentOf(entry: TypedValue | undefined): number {
  if (entry === undefined) return defaultAlignment
  const { type, value } = entry
  if (type !== 'uint32') throw new FormatError(`GGUF: ${alignmentKey} has type ${type}`, { expected: 'uint32' })
  if (typeof value === 'number' && Number.isInteger(Math.log2(value))) return value
  throw new FormatError(`GGUF: ${alignmentKey} is ${value}`, { expected: 'a power of two' })
}

async function readTensorClaims(cursor: GgufCursor, count: number, { maxNameBytes }: Limits): Promise<TensorClaim[]> {
  const claims = new Map<string, TensorClaim>()
  for (let number = 0; number < count; number++) {
    const claim = await readTensorClaim(cursor, maxNameBytes, number)
    if (claims.has(claim.name)) throw new FormatError(`GGUF: tensor ${quoted(claim.name)} comes twice`)
    claims.set(claim.name, claim)
    cursor.spend(1, `tensor ${quoted(claim.name)}`)
  }
  return [...claims.values()]
}
