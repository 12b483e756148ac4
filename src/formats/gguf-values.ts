import { FormatError } from '../base/errors.ts'
import type { GgufCursor } from './gguf-cursor.ts'
import { TextBatch } from './text-batch.ts'

export type GgufNumbers =
  | Uint8Array
  | Int8Array
  | Uint16Array
  | Int16Array
  | Uint32Array
  | Int32Array
  | Float32Array
  | Float64Array
  | BigUint64Array
  | BigInt64Array

export type GgufArray = GgufNumbers | readonly boolean[] | readonly string[] | readonly GgufArray[]

/** A value of the metadata. Integers of 64 bits are numbers where these are exact, and bigints otherwise. */
export type GgufValue = number | bigint | boolean | string | GgufArray

interface Kind {
  readonly name: string
  readonly bytes: number
  /** Absent from strings and arrays, whose length varies. */
  readonly scalar?: (view: DataView) => number | bigint | boolean
  readonly array?: new (buffer: ArrayBuffer) => GgufNumbers
}

/** Length of a string or array, before what is in it. */
const lengthBytes = 8
const typeBytes = 4

/** How many other values an array in an array counts for, by what it takes in memory. */
const arrayCost = 10

/** By the number that a file has for the type; `bytes` is the least that a value takes. */
const kinds: readonly Kind[] = [
  { name: 'uint8', bytes: 1, scalar: (view) => view.getUint8(0), array: Uint8Array },
  { name: 'int8', bytes: 1, scalar: (view) => view.getInt8(0), array: Int8Array },
  { name: 'uint16', bytes: 2, scalar: (view) => view.getUint16(0, true), array: Uint16Array },
  { name: 'int16', bytes: 2, scalar: (view) => view.getInt16(0, true), array: Int16Array },
  { name: 'uint32', bytes: 4, scalar: (view) => view.getUint32(0, true), array: Uint32Array },
  { name: 'int32', bytes: 4, scalar: (view) => view.getInt32(0, true), array: Int32Array },
  { name: 'float32', bytes: 4, scalar: (view) => view.getFloat32(0, true), array: Float32Array },
  { name: 'bool', bytes: 1, scalar: (view) => booleanOf(view.getUint8(0)) },
  { name: 'string', bytes: lengthBytes },
  { name: 'array', bytes: typeBytes + lengthBytes },
  { name: 'uint64', bytes: 8, scalar: (view) => exactInteger(view.getBigUint64(0, true)), array: BigUint64Array },
  { name: 'int64', bytes: 8, scalar: (view) => exactInteger(view.getBigInt64(0, true)), array: BigInt64Array },
  { name: 'float64', bytes: 8, scalar: (view) => view.getFloat64(0, true), array: Float64Array },
]

export interface TypedValue {
  readonly type: string
  readonly value: GgufValue
}

/** The type of a value, then the value. Throws FormatError naming `what`. */
export async function readTypedValue(cursor: GgufCursor, maxDepth: number, what: string): Promise<TypedValue> {
  const kind = await readKind(cursor, what)
  cursor.spend(1, what)
  return { type: kind.name, value: await readValue(cursor, kind, maxDepth, what) }
}

async function readKind(cursor: GgufCursor, what: string): Promise<Kind> {
  await cursor.need(typeBytes, what)
  const number = cursor.uint32()
  const kind = kinds[number]
  if (kind === undefined) throw new FormatError(`GGUF: ${what} has type ${number}`, { expected: `0 to ${kinds.length - 1}` })
  return kind
}

async function readValue(cursor: GgufCursor, kind: Kind, depth: number, what: string): Promise<GgufValue> {
  if (kind.name === 'string') return readString(cursor, what)
  if (kind.name === 'array') return readArray(cursor, depth, what)
  await cursor.need(kind.bytes, what)
  const { buffer, byteOffset } = cursor.bytes(kind.bytes)
  return kind.scalar!(new DataView(buffer, byteOffset))
}

/**
 * A string of UTF-8, at most `mostBytes` long.
 *
 * @throws FormatError naming `what`.
 */
export async function readString(cursor: GgufCursor, what: string, mostBytes = Number.POSITIVE_INFINITY): Promise<string> {
  if (!cursor.has(lengthBytes)) await cursor.need(lengthBytes, what)
  const length = cursor.count(1, what)
  if (length > mostBytes) throw new FormatError(`GGUF: ${what} has ${length} bytes`, { expected: `at most ${mostBytes}` })
  if (!cursor.has(length)) await cursor.need(length, what)
  return cursor.text(length, what)
}

async function readArray(cursor: GgufCursor, depth: number, what: string): Promise<GgufArray> {
  if (depth < 1) throw new FormatError(`GGUF: ${what} nests arrays deeper than the limit maxDepth`)
  const kind = await readKind(cursor, what)
  await cursor.need(lengthBytes, what)
  const length = cursor.count(kind.bytes, what)
  if (kind.array !== undefined) return readNumbers(cursor, kind.bytes * length, kind.array, what)
  cursor.spend(kind.name === 'array' ? arrayCost * length : length, what)
  if (kind.name === 'string') return readStrings(cursor, length, what)
  if (kind.name === 'bool') return readBooleans(cursor, length, what)
  const arrays: GgufArray[] = []
  for (let index = 0; index < length; index++) arrays.push(await readArray(cursor, depth - 1, what))
  return arrays
}

async function readNumbers(cursor: GgufCursor, bytes: number, array: NonNullable<Kind['array']>, what: string) {
  await cursor.need(bytes, what)
  // A copy, so that a short array does not keep a whole window.
  return new array(new Uint8Array(cursor.bytes(bytes)).buffer)
}

/** Waits only where a window ends: vocabularies have hundreds of thousands of strings. */
async function readStrings(cursor: GgufCursor, length: number, what: string): Promise<string[]> {
  const batch = new TextBatch((bytes) => cursor.decode(bytes, `a string of ${what}`), cursor.scratch)
  for (let index = 0; index < length; index++) {
    if (!cursor.has(lengthBytes)) await cursor.need(lengthBytes, what)
    const bytes = cursor.count(1, what)
    if (!cursor.has(bytes)) await cursor.need(bytes, what)
    batch.add(cursor.bytes(bytes))
  }
  return batch.finish()
}

async function readBooleans(cursor: GgufCursor, length: number, what: string): Promise<boolean[]> {
  await cursor.need(length, what)
  return Array.from(cursor.bytes(length), booleanOf)
}

function booleanOf(byte: number): boolean {
  if (byte <= 1) return byte === 1
  throw new FormatError(`GGUF: a bool is ${byte}`, { expected: '0 or 1' })
}

function exactInteger(value: bigint): number | bigint {
  const number = Number(value)
  return Number.isSafeInteger(number) ? number : value
}
