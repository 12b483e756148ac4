import type { ByteSource } from '../base/byte-source.ts'
import { FormatError } from '../base/errors.ts'
import type { StorageType, StoredTensor } from '../base/stored-tensor.ts'
import { blockSizes, isBlockType } from './block-types.ts'
import type { GgufCursor } from './gguf-cursor.ts'
import { readString } from './gguf-values.ts'
import { byteLengthOf } from './tensor-bytes.ts'
import { quoted } from './text.ts'

/** Length of the name, number of dimensions, type, offset. */
export const leastTensorBytes = 8 + 4 + 4 + 8
const mostDimensions = 4

/** By ggml's number of the type. */
const types: ReadonlyMap<number, StorageType> = new Map([
  [0, 'float32'],
  [1, 'float16'],
  [2, 'q4_0'],
  [3, 'q4_1'],
  [6, 'q5_0'],
  [7, 'q5_1'],
  [8, 'q8_0'],
  [12, 'q4_k'],
  [13, 'q5_k'],
  [14, 'q6_k'],
  [30, 'bfloat16'],
])

/** ggml's names of types that nextx does not read, for messages. */
const foreignTypes: ReadonlyMap<number, string> = new Map(
  Object.entries({
    ...{ 9: 'Q8_1', 10: 'Q2_K', 11: 'Q3_K', 15: 'Q8_K', 16: 'IQ2_XXS', 17: 'IQ2_XS', 18: 'IQ3_XXS', 19: 'IQ1_S', 20: 'IQ4_NL' },
    ...{ 21: 'IQ3_S', 22: 'IQ2_S', 23: 'IQ4_XS', 24: 'I8', 25: 'I16', 26: 'I32', 27: 'I64', 28: 'F64', 29: 'IQ1_M' },
    ...{ 34: 'TQ1_0', 35: 'TQ2_0', 39: 'MXFP4' },
  }).map(([number, name]) => [Number(number), name]),
)

/** A tensor as the header describes it; `offset` counts from the start of the data. */
export interface TensorClaim {
  readonly name: string
  readonly type: StorageType
  readonly shape: readonly number[]
  readonly byteLength: number
  readonly offset: bigint
}

export async function readTensorClaim(cursor: GgufCursor, maxNameBytes: number, number: number): Promise<TensorClaim> {
  const name = await readString(cursor, `the name of tensor ${number}`, maxNameBytes)
  if (name === '') throw new FormatError(`GGUF: tensor ${number} has no name`)
  const what = `tensor ${quoted(name)}`
  const sizes = await readDimensions(cursor, what)
  await cursor.need(12, what)
  const type = typeOf(cursor.uint32(), name)
  const shape = sizes.map((size) => dimensionOf(size, name))
  return { name, type, shape, byteLength: checkedByteLength(type, shape, name), offset: cursor.uint64() }
}

/** Outermost first: the file has the innermost first. */
async function readDimensions(cursor: GgufCursor, what: string): Promise<bigint[]> {
  await cursor.need(4, what)
  const count = cursor.uint32()
  if (count > mostDimensions)
    throw new FormatError(`GGUF: ${what} has ${count} dimensions`, { expected: `at most ${mostDimensions}` })
  await cursor.need(8 * count, what)
  return Array.from({ length: count }, () => cursor.uint64()).reverse()
}

function dimensionOf(size: bigint, name: string): number {
  if (size >= 1n && size <= BigInt(Number.MAX_SAFE_INTEGER)) return Number(size)
  throw refusal(name, `has a dimension of ${BigInt.asIntN(64, size)}`, 'at least 1, and less than 2^53')
}

function typeOf(number: number, name: string): StorageType {
  const type = types.get(number)
  if (type !== undefined) return type
  const expected = [...types.values()].join(', ')
  throw refusal(name, `has type ${foreignTypes.get(number) ?? number}, which nextx does not read`, expected)
}

function checkedByteLength(type: StorageType, shape: readonly number[], name: string): number {
  const rowLength = shape.at(-1) ?? 1
  if (isBlockType(type) && rowLength % blockSizes[type].elements !== 0) {
    throw refusal(name, `of type ${type} has rows of ${rowLength}`, `a multiple of ${blockSizes[type].elements}`)
  }
  const byteLength = byteLengthOf(type, shape)
  if (byteLength === undefined) throw refusal(name, `has the shape [${shape.join(', ')}], which overflows`)
  return byteLength
}

/**
 * Where the tensors lie in a file whose data begins at `dataStart`: one after another, each at the next multiple of `alignment`. What
 * comes after the last is not looked at.
 *
 * @throws FormatError naming the tensor that lies elsewhere.
 */
export function placeTensors(
  claims: readonly TensorClaim[],
  { source, dataStart, alignment }: { source: ByteSource; dataStart: number; alignment: number },
): Map<string, StoredTensor> {
  const dataBytes = source.byteLength - dataStart
  const sorted = [...claims].sort((left, right) => compare(left.offset, right.offset))
  let next = 0
  const offsets = new Map<string, number>()
  for (const claim of sorted) {
    checkOffset(claim, { next, dataBytes, alignment })
    offsets.set(claim.name, Number(claim.offset))
    next = alignUp(Number(claim.offset) + claim.byteLength, alignment)
  }
  return new Map(
    claims.map(({ name, type, shape, byteLength }) => [
      name,
      { type, shape, source, byteOffset: dataStart + offsets.get(name)!, byteLength },
    ]),
  )
}

/** Nothing here overflows: both numbers are below the length of the file before they are added. */
function checkOffset(claim: TensorClaim, place: { next: number; dataBytes: number; alignment: number }): void {
  const { name, offset, byteLength } = claim
  const { next, dataBytes, alignment } = place
  if (offset % BigInt(alignment) !== 0n) throw refusal(name, `has offset ${offset}`, `a multiple of ${alignment}`)
  if (offset < next) throw refusal(name, `overlaps the tensor before it at byte ${offset} of the data`)
  if (offset > dataBytes || byteLength > dataBytes - Number(offset)) {
    throw refusal(name, `takes ${byteLength} bytes from byte ${offset} of the data`, `the ${Math.max(dataBytes, 0)} of the file`)
  }
  if (offset > next) throw refusal(name, `leaves a gap before it, from byte ${next} to ${offset} of the data`)
}

export function alignUp(offset: number, alignment: number): number {
  return Math.ceil(offset / alignment) * alignment
}

function compare(left: bigint, right: bigint): number {
  if (left === right) return 0
  return left < right ? -1 : 1
}

function refusal(name: string, problem: string, expected?: string): FormatError {
  return new FormatError(`GGUF: tensor ${quoted(name)} ${problem}`, { ...(expected !== undefined && { expected }) })
}
