import type { DType } from '../base/dtype.ts'
import { FormatError, OptionError } from '../base/errors.ts'
import { isJsonObject, parseJson } from './json.ts'
import { resolveLimits } from './limits.ts'
import { byteLengthOf, isCount } from './tensor-bytes.ts'
import { isWellFormed, quoted } from './text.ts'

export interface SafetensorsLimits {
  /** Longest JSON header, in bytes. Default 100,000,000, as in the reference implementation. */
  readonly maxHeaderBytes?: number
}

export interface SafetensorsHeaderOptions extends SafetensorsLimits {
  /** Length of the whole file. Default: the bytes given are the whole file. */
  readonly totalBytes?: number
}

/** Where one tensor lies. */
export interface SafetensorsEntry {
  readonly dtype: DType
  readonly shape: readonly number[]
  /** First byte, counted from the start of the file. */
  readonly byteOffset: number
  readonly byteLength: number
}

export interface SafetensorsHeader {
  /** By name, in the order of the data. */
  readonly entries: ReadonlyMap<string, SafetensorsEntry>
  readonly metadata: ReadonlyMap<string, string>
  /** Bytes before the first tensor. */
  readonly headBytes: number
}

export const metadataKey = '__metadata__'
export const lengthBytes = 8
export const defaultLimits = { maxHeaderBytes: 100_000_000 }

/** The names that the format has for the dtypes of nextx. */
export const dtypeNames: Readonly<Record<DType, string>> = {
  float64: 'F64',
  float32: 'F32',
  float16: 'F16',
  bfloat16: 'BF16',
  int64: 'I64',
  int32: 'I32',
  uint8: 'U8',
  bool: 'BOOL',
}

const dtypes: ReadonlyMap<unknown, DType> = new Map(
  (Object.keys(dtypeNames) as DType[]).map((dtype) => [dtypeNames[dtype], dtype] as const),
)

interface Claim {
  readonly name: string
  readonly dtype: DType
  readonly shape: readonly number[]
  /** `[begin, end)` from the end of the header. */
  readonly begin: number
  readonly end: number
}

/**
 * How many bytes of a file, counted from its start, `readSafetensorsHeader` needs; `first` are its first 8 bytes or more.
 *
 * @throws FormatError when the file is too short for a header, or the header longer than the file or the limit.
 */
export function safetensorsHeadBytes(first: Uint8Array, options: SafetensorsHeaderOptions = {}): number {
  const { totalBytes = first.byteLength, ...given } = options
  const { maxHeaderBytes } = resolveLimits(defaultLimits, given, 'safetensors')
  if (!isCount(totalBytes) || totalBytes < first.byteLength) {
    throw new OptionError(`totalBytes is ${String(totalBytes)}`, { expected: `an integer of at least ${first.byteLength}` })
  }
  if (first.byteLength < lengthBytes) {
    throw new FormatError(`safetensors: ${first.byteLength} bytes are too few`, { expected: `at least ${lengthBytes}` })
  }
  const claimed = new DataView(first.buffer, first.byteOffset, lengthBytes).getBigUint64(0, true)
  if (claimed > BigInt(totalBytes - lengthBytes)) {
    throw new FormatError(`safetensors: a header of ${claimed} bytes in a file of ${totalBytes}`, {
      fix: 'the file may be truncated',
    })
  }
  if (claimed > BigInt(maxHeaderBytes)) {
    throw new FormatError(`safetensors: a header of ${claimed} bytes`, { expected: `at most ${maxHeaderBytes}` })
  }
  return lengthBytes + Number(claimed)
}

/**
 * Names, dtypes, shapes and places of the tensors of a safetensors file, without their data. Needs only the file's head
 * (see `safetensorsHeadBytes`) when `totalBytes` says how long the file is.
 *
 * @throws FormatError for anything that is not a valid header of a file of that length, naming the tensor.
 * @example
 * const { entries } = readSafetensorsHeader(await readFile('model.safetensors'))
 * for (const [name, { dtype, shape }] of entries) console.log(name, dtype, shape)
 */
export function readSafetensorsHeader(head: Uint8Array, options: SafetensorsHeaderOptions = {}): SafetensorsHeader {
  const headBytes = safetensorsHeadBytes(head, options)
  const { totalBytes = head.byteLength } = options
  if (headBytes > head.byteLength) {
    throw new FormatError(`safetensors: ${head.byteLength} bytes of a head of ${headBytes} are given`)
  }
  const { claims, metadata } = parseHeader(head.subarray(lengthBytes, headBytes))
  claims.sort((left, right) => left.begin - right.begin || left.end - right.end)
  checkLayout(claims, totalBytes - headBytes)
  const entries = new Map<string, SafetensorsEntry>()
  for (const { name, dtype, shape, begin, end } of claims) {
    entries.set(name, { dtype, shape, byteOffset: headBytes + begin, byteLength: end - begin })
  }
  return { entries, metadata, headBytes }
}

function parseHeader(bytes: Uint8Array): { claims: Claim[]; metadata: Map<string, string> } {
  const what = 'safetensors header'
  const header = parseJson(bytes, { what, refuseDuplicates: true, maxBytes: Math.max(bytes.length, 1), maxDepth: 3 })
  if (!isJsonObject(header) || bytes[0] !== 0x7b) throw new FormatError(`${what} does not start with an object`)
  const claims: Claim[] = []
  let metadata = new Map<string, string>()
  for (const [name, value] of Object.entries(header)) {
    if (name === metadataKey) metadata = parseMetadata(value)
    else claims.push(parseClaim(name, value))
  }
  return { claims, metadata }
}

function parseMetadata(value: unknown): Map<string, string> {
  if (!isJsonObject(value)) throw new FormatError(`safetensors: ${metadataKey} is no object`)
  return new Map(
    Object.entries(value).map(([key, text]) => {
      if (typeof text === 'string') return [key, text]
      throw new FormatError(`safetensors: metadata ${quoted(key)} is no string`)
    }),
  )
}

function parseClaim(name: string, value: unknown): Claim {
  if (!isWellFormed(name)) throw refusal(name, 'has a name that is no Unicode text')
  if (!isJsonObject(value)) throw refusal(name, 'is described by no object')
  const unknown = Object.keys(value).find((key) => !['dtype', 'shape', 'data_offsets'].includes(key))
  if (unknown !== undefined) throw refusal(name, `has an unknown field ${quoted(unknown)}`)
  const { dtype: dtypeName, shape, data_offsets: offsets } = value
  const dtype = dtypes.get(dtypeName)
  if (dtype === undefined) {
    const given = typeof dtypeName === 'string' ? quoted(dtypeName) : 'of the wrong type'
    throw refusal(name, `has dtype ${given}`, [...dtypes.keys()].join(', '))
  }
  if (!isCounts(shape)) throw refusal(name, 'has a wrong shape', 'an array of non-negative integers')
  if (!isCounts(offsets) || offsets.length !== 2) throw refusal(name, 'has wrong data_offsets', 'two non-negative integers')
  const [begin, end] = offsets as [number, number]
  const byteLength = byteLengthOf(dtype, shape)
  if (byteLength === undefined) throw refusal(name, 'has a shape that overflows')
  if (byteLength !== end - begin) {
    throw refusal(name, `has data_offsets [${begin}, ${end}]`, `${byteLength} bytes for its dtype and shape`)
  }
  return { name, dtype, shape, begin, end }
}

/** The data of the tensors, sorted by place, must fill the file without gap or overlap. */
function checkLayout(claims: readonly Claim[], dataBytes: number): void {
  let covered = 0
  for (const { name, begin, end } of claims) {
    if (begin < covered) throw refusal(name, `overlaps the tensor before it at byte ${begin} of the data`)
    if (begin > covered) throw refusal(name, `leaves a gap before it, from byte ${covered} to ${begin} of the data`)
    if (end > dataBytes) {
      throw refusal(name, `ends at byte ${end} of the data`, `at most ${dataBytes}`, 'the file may be truncated')
    }
    covered = end
  }
  if (covered < dataBytes) throw new FormatError(`safetensors: ${dataBytes - covered} bytes after the last tensor`)
}

function isCounts(value: unknown): value is readonly number[] {
  return Array.isArray(value) && value.every(isCount)
}

function refusal(name: string, problem: string, expected?: string, fix?: string): FormatError {
  return new FormatError(`safetensors: tensor ${quoted(name)} ${problem}`, {
    ...(expected !== undefined && { expected }),
    ...(fix !== undefined && { fix }),
  })
}
