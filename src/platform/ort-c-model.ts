import { RuntimeError } from '../base/errors.ts'
import type { SessionOptions } from './device.ts'
import { elementTypes } from './element-types.ts'
import { unshared } from './host-tensor.ts'
import { checkModel, checkSessionOptions } from './options.ts'
import type { OrtCCalls } from './ort-c-calls.ts'
import type { SessionSettings } from './session-driver.ts'
import type { Port, Ports } from './session-ports.ts'

const loading = 'load the model'
/** `GraphOptimizationLevel` */
const optimizationLevels = { disabled: 0, basic: 1, extended: 2, all: 99 }
const sequential = 0
/** Failures come back as errors; a second report on the terminal would only be noise. */
export const fatalOnly = 4

/** An OrtSession, made on another thread; the model's arrays must be left alone until then. */
export async function createSession(
  calls: OrtCCalls,
  environment: bigint,
  model: Uint8Array,
  settings: SessionSettings,
  options: SessionOptions,
): Promise<bigint> {
  checkSessionOptions(options)
  checkModel(model)
  const bytes = unshared('uint8', model)
  const native = calls.word(loading, 'CreateSessionOptions')
  try {
    setOptions(calls, native, settings, options)
    const out = new BigUint64Array(new ArrayBuffer(8))
    const files = addExternalFiles(calls, native, options.externalData ?? {})
    await calls.later(loading, 'CreateSessionFromArray', environment, bytes, bytes.byteLength, native, out)
    files.length = 0
    return out[0] ?? 0n
  } finally {
    calls.release('ReleaseSessionOptions', native)
  }
}

/** As onnxruntime-node's binding sets them. */
function setOptions(calls: OrtCCalls, native: bigint, { threads, spinning }: SessionSettings, options: SessionOptions): void {
  const { optimization = 'all', externalFolder } = options
  calls.do(loading, 'SetSessionGraphOptimizationLevel', native, optimizationLevels[optimization])
  calls.do(loading, 'SetSessionExecutionMode', native, sequential)
  // The planned layout of a training step takes 300 MB more than the arena needs (975 against 690 MB), at the same speed.
  calls.do(loading, 'DisableMemPattern', native)
  calls.do(loading, 'SetIntraOpNumThreads', native, threads)
  calls.do(loading, 'SetInterOpNumThreads', native, 1)
  calls.do(loading, 'SetSessionLogSeverityLevel', native, fatalOnly)
  calls.do(loading, 'AddSessionConfigEntry', native, 'session.intra_op.allow_spinning', spinning ? '1' : '0')
  if (externalFolder !== undefined) {
    calls.do(loading, 'AddSessionConfigEntry', native, 'session.model_external_initializers_file_folder_path', externalFolder)
  }
}

/** ONNX Runtime reads the files when the session is made: what comes back must be kept until then. */
function addExternalFiles(calls: OrtCCalls, native: bigint, files: Readonly<Record<string, Uint8Array>>): ArrayBufferView[] {
  const entries = Object.entries(files).map(([location, bytes]) => ({
    name: pathText(location),
    bytes: bytes.byteLength === 0 ? new Uint8Array(new ArrayBuffer(1)) : unshared('uint8', bytes),
    size: bytes.byteLength,
  }))
  if (entries.length === 0) return []
  const names = addresses(
    calls,
    entries.map(({ name }) => name),
  )
  const contents = addresses(
    calls,
    entries.map(({ bytes }) => bytes),
  )
  const sizes = BigUint64Array.from(entries, ({ size }) => BigInt(size))
  calls.do(loading, 'AddExternalInitializersFromFilesInMemory', native, names, contents, sizes, entries.length)
  return entries.flatMap(({ name, bytes }) => [name, bytes])
}

function addresses(calls: OrtCCalls, arrays: readonly ArrayBufferView[]): BigUint64Array {
  return BigUint64Array.from(arrays, (array) => calls.api.addressOf(array))
}

/** `ORTCHAR_T`, ended by a zero. */
function pathText(path: string): Uint8Array {
  return new Uint8Array(Buffer.from(`${path}\0`, process.platform === 'win32' ? 'utf16le' : 'utf8'))
}

/** The inputs or outputs that the session's model declares, in its own order. */
export function readPorts(calls: OrtCCalls, session: bigint, side: 'Input' | 'Output'): Ports {
  const count = Number(calls.word(loading, `SessionGet${side}Count`, session))
  const ports = Array.from({ length: count }, (_, i): [string, Port] => [
    readName(calls, session, side, i),
    readPort(calls, session, side, i),
  ])
  if (new Set(ports.map(([name]) => name)).size !== count) throw new RuntimeError(`the model has two ${side}s of one name`)
  return new Map(ports)
}

function readName(calls: OrtCCalls, session: bigint, side: 'Input' | 'Output', index: number): string {
  const allocator = calls.word(loading, 'GetAllocatorWithDefaultOptions')
  const text = calls.word(loading, `SessionGet${side}Name`, session, index, allocator)
  try {
    return calls.api.textAt(text)
  } finally {
    calls.do(loading, 'AllocatorFree', allocator, text)
  }
}

function readPort(calls: OrtCCalls, session: bigint, side: 'Input' | 'Output', index: number): Port {
  const type = calls.word(loading, `SessionGet${side}TypeInfo`, session, index)
  try {
    const tensor = calls.word(loading, 'CastTypeInfoToTensorInfo', type)
    if (tensor === 0n) return { type: 'not a tensor', shape: [] }
    const sizes = readDimensions(calls, tensor)
    const names = readSymbols(calls, tensor, sizes.length)
    return { type: readElementType(calls, tensor), shape: sizes.map((size, i) => (size < 0 ? (names[i] ?? '') : size)) }
  } finally {
    calls.release('ReleaseTypeInfo', type)
  }
}

export function readElementType(calls: OrtCCalls, tensorInfo: bigint): string {
  const type = calls.enumerator('read a type', 'GetTensorElementType', tensorInfo)
  return elementTypes[type] ?? `element type ${type} of ONNX`
}

export function readDimensions(calls: OrtCCalls, tensorInfo: bigint): number[] {
  const count = Number(calls.word('read a shape', 'GetDimensionsCount', tensorInfo))
  if (count === 0) return []
  const sizes = new BigInt64Array(new ArrayBuffer(8 * count))
  calls.do('read a shape', 'GetDimensions', tensorInfo, sizes, count)
  return Array.from(sizes, Number)
}

function readSymbols(calls: OrtCCalls, tensorInfo: bigint, count: number): string[] {
  if (count === 0) return []
  const names = new BigUint64Array(new ArrayBuffer(8 * count))
  calls.do('read a shape', 'GetSymbolicDimensions', tensorInfo, names, count)
  return Array.from(names, (name) => (name === 0n ? '' : calls.api.textAt(name)))
}
