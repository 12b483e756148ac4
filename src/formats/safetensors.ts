import type { DType, HostTensor } from '../base/dtype.ts'
import { FormatError } from '../base/errors.ts'
import {
  defaultLimits,
  dtypeNames,
  lengthBytes,
  metadataKey,
  readSafetensorsHeader,
  type SafetensorsEntry,
  type SafetensorsLimits,
} from './safetensors-header.ts'
import { bytesOf, concatenate, elementsOf, firstInvalidBool } from './tensor-bytes.ts'
import { compareCodePoints, isWellFormed, quoted } from './text.ts'

export interface Safetensors {
  /** By name, in the order of the data. */
  readonly tensors: Map<string, HostTensor>
  readonly metadata: Map<string, string>
}

/** Order of the data: the most aligned dtypes first, as the reference implementation writes them, then by name. */
const dtypeOrder: readonly DType[] = ['int64', 'float64', 'float32', 'int32', 'bfloat16', 'float16', 'uint8', 'bool']

/**
 * Reads a whole safetensors file. Tensors are views on `bytes` where these are aligned, copies otherwise.
 *
 * @throws FormatError when the bytes are not a valid file or hold a dtype that nextx does not have, naming the tensor.
 * @example
 * const { tensors } = readSafetensors(await readFile('model.safetensors'))
 * tensors.get('lm_head.weight')?.shape // [512, 64]
 */
export function readSafetensors(bytes: Uint8Array, limits: SafetensorsLimits = {}): Safetensors {
  const { entries, metadata } = readSafetensorsHeader(bytes, limits)
  const tensors = new Map<string, HostTensor>()
  for (const [name, entry] of entries) {
    const { byteOffset, byteLength } = entry
    tensors.set(name, readSafetensor(name, entry, bytes.subarray(byteOffset, byteOffset + byteLength)))
  }
  return { tensors, metadata: new Map(metadata) }
}

/**
 * One tensor from its own bytes, for files that are read piece by piece.
 *
 * @throws FormatError when the bytes are not those of the entry.
 */
export function readSafetensor(name: string, { dtype, shape, byteLength }: SafetensorsEntry, bytes: Uint8Array): HostTensor {
  if (bytes.byteLength !== byteLength) {
    throw new FormatError(`safetensors: tensor ${quoted(name)} has ${bytes.byteLength} bytes`, { expected: `${byteLength}` })
  }
  if (dtype === 'bool' && firstInvalidBool(bytes) !== -1) {
    throw new FormatError(`safetensors: bool tensor ${quoted(name)} holds ${bytes[firstInvalidBool(bytes)]}`, {
      expected: '0 or 1',
    })
  }
  return { dtype, shape, data: elementsOf(dtype, bytes) }
}

/**
 * A safetensors file, the same whatever the order of `tensors`.
 *
 * @throws ShapeError or DTypeError for a tensor whose data does not fit its shape or dtype, FormatError for a name that the format
 * cannot hold or that comes twice, DataError above 4 GiB (write `safetensorsPieces` instead).
 * @example
 * const bytes = writeSafetensors([['bias', { dtype: 'float32', shape: [2], data: new Float32Array([1, 2]) }]])
 */
export function writeSafetensors(
  tensors: Iterable<readonly [string, HostTensor]>,
  metadata: ReadonlyMap<string, string> = new Map(),
): Uint8Array {
  return concatenate(safetensorsPieces(tensors, metadata))
}

/** The same file as consecutive pieces: its head, then a view on each tensor, for writing without a copy in memory. */
export function safetensorsPieces(
  tensors: Iterable<readonly [string, HostTensor]>,
  metadata: ReadonlyMap<string, string> = new Map(),
): Uint8Array[] {
  const sorted = [...tensors].sort(
    ([leftName, left], [rightName, right]) =>
      dtypeOrder.indexOf(left.dtype) - dtypeOrder.indexOf(right.dtype) || compareCodePoints(leftName, rightName),
  )
  checkNames(sorted.map(([name]) => name))
  const members = metadata.size === 0 ? [] : [`"${metadataKey}":${jsonObject(metadata)}`]
  const data: Uint8Array[] = []
  let begin = 0
  for (const [name, tensor] of sorted) {
    const bytes = bytesOf(tensor, name)
    const end = begin + bytes.byteLength
    const entry = { dtype: dtypeNames[tensor.dtype], shape: tensor.shape, data_offsets: [begin, end] }
    members.push(`${JSON.stringify(name)}:${JSON.stringify(entry)}`)
    data.push(bytes)
    begin = end
  }
  return [headOf(`{${members.join(',')}}`), ...data]
}

function checkNames(names: readonly string[]): void {
  const seen = new Set<string>()
  for (const name of names) {
    if (name === metadataKey || !isWellFormed(name)) throw new FormatError(`safetensors cannot hold a tensor named ${quoted(name)}`)
    if (seen.has(name)) throw new FormatError(`tensor ${quoted(name)} comes twice`)
    seen.add(name)
  }
}

/** Written member by member, as an object would reorder keys like '10' and lose '__proto__'. */
function jsonObject(map: ReadonlyMap<string, string>): string {
  const members = [...map].map(([key, text]) => {
    if (isWellFormed(key) && isWellFormed(text)) return `${JSON.stringify(key)}:${JSON.stringify(text)}`
    throw new FormatError(`safetensors: metadata ${quoted(key)} is no Unicode text`)
  })
  return `{${members.join(',')}}`
}

/** Header length, then the header padded with spaces so that the data starts at a multiple of 8. */
function headOf(header: string): Uint8Array {
  const text = new TextEncoder().encode(header)
  const padded = Math.ceil(text.length / 8) * 8
  if (padded > defaultLimits.maxHeaderBytes) {
    throw new FormatError(`safetensors: a header of ${padded} bytes`, { expected: `at most ${defaultLimits.maxHeaderBytes}` })
  }
  const head = new Uint8Array(lengthBytes + padded).fill(0x20)
  new DataView(head.buffer).setBigUint64(0, BigInt(padded), true)
  head.set(text, lengthBytes)
  return head
}
