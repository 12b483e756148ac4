import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import type * as Koffi from 'koffi'
import { RuntimeError } from '../base/errors.ts'
import { messageOf, testedRuntimeVersion } from './ort-api.ts'
import { type ApiFunction, ortCApiSlots } from './ort-c-api-slots.ts'
import { installRuntime } from './ort-runtime.ts'
import { silenceRuntime } from './runtime-telemetry.ts'

/** An address in the process; null is C's NULL. */
export type Pointer = bigint | null

/** What goes into a C function; arrays go in by their address and are not copied. */
export type Argument = Pointer | number | string | ArrayBufferView

/** A C function: called at once, or on another thread through `later`. */
export interface NativeFunction {
  (...args: readonly Argument[]): unknown
  /** The arguments are held on to until the call is done. */
  later(...args: readonly Argument[]): Promise<unknown>
}

/** ONNX Runtime's C API in this process. */
export interface OrtCApi {
  readonly version: string
  readonly functions: Readonly<Record<ApiFunction, NativeFunction>>
  addressOf(memory: ArrayBufferView): bigint
  textAt(address: bigint): string
  /** The memory itself, which must outlive what comes back. */
  memoryAt(address: bigint, byteLength: number): ArrayBuffer
}

export interface OrtCApiParts {
  readonly loadKoffi?: () => Promise<typeof Koffi>
  readonly library?: () => string
  /** The release whose places of functions are known. */
  readonly version?: string
}

const apiVersion = 30
/** Bytes. C code runs on a stack of koffi's, whose own default (128 KiB on other threads) is short for a graph's optimiser. */
const stackSize = 8 * 2 ** 20
const smallestStack = 2 ** 20
/** `RTLD_NOW` of Linux and macOS. */
const resolveNow = 2

/** The release whose calls were checked. */
export const koffiPackage = 'koffi@3.3.4'

export const installKoffi = `npm install ${koffiPackage}`

/** koffi is an optional peer dependency. */
export class KoffiMissingError extends RuntimeError {}

/**
 * Loads the library that onnxruntime-node ships and binds its C API. The binding of onnxruntime-node may be in use in the same
 * process: both then share one copy of the library.
 * @throws KoffiMissingError without koffi; RuntimeError when the library is missing, does not load, or is of another release.
 */
export async function loadOrtCApi(parts: OrtCApiParts = {}): Promise<OrtCApi> {
  const { loadKoffi = () => import('koffi'), library = libraryPath, version = testedRuntimeVersion } = parts
  const koffi = await loadPackage(loadKoffi)
  const path = library()
  reserveStack(koffi)
  silenceRuntime()
  try {
    return bindApi(koffi, path, version)
  } catch (cause) {
    if (cause instanceof RuntimeError) throw cause
    throw new RuntimeError(`ONNX Runtime's library '${path}' does not load: ${messageOf(cause)}`, {
      expected: `the library of onnxruntime-node ${testedRuntimeVersion} for ${process.platform} ${process.arch}`,
      fix: `npm install onnxruntime-node@${testedRuntimeVersion}`,
      cause,
    })
  }
}

async function loadPackage(load: () => Promise<typeof Koffi>): Promise<typeof Koffi> {
  try {
    return await load()
  } catch (cause) {
    const missing = cause instanceof Error && 'code' in cause && String(cause.code).endsWith('MODULE_NOT_FOUND')
    if (missing && /'koffi'/.test(cause.message))
      throw new KoffiMissingError('koffi is not installed', { fix: installKoffi, cause })
    throw new RuntimeError(`koffi does not load: ${messageOf(cause)}`, { fix: installKoffi, cause })
  }
}

/** The library lies beside the binding that is linked with it. */
function libraryPath(): string {
  const names: Partial<Record<string, string>> = {
    linux: 'libonnxruntime.so.1',
    darwin: 'libonnxruntime.1.dylib',
    win32: 'onnxruntime.dll',
  }
  const { platform, arch } = process
  const name = names[platform]
  if (name === undefined) throw new RuntimeError(`onnxruntime-node has no library for ${platform}`)
  return join(packageFolder(), 'bin', 'napi-v6', platform, arch, name)
}

function packageFolder(): string {
  try {
    return dirname(createRequire(import.meta.url).resolve('onnxruntime-node/package.json'))
  } catch (cause) {
    throw new RuntimeError('onnxruntime-node is not installed', { fix: installRuntime, cause })
  }
}

/** @throws RuntimeError when another part of the process loaded a library through koffi with less stack than a session needs. */
function reserveStack(koffi: typeof Koffi): void {
  const enough = (bytes: number): boolean => {
    const { sync_stack_size: here = 0, async_stack_size: elsewhere = 0 } = koffi.config()
    return Math.min(here, elsewhere) >= bytes
  }
  if (enough(smallestStack)) return
  try {
    koffi.config({ sync_stack_size: stackSize, async_stack_size: stackSize })
  } catch (cause) {
    throw new RuntimeError('koffi was set up with too little stack for ONNX Runtime', {
      expected: `${smallestStack} bytes`,
      fix: `call koffi.config({ sync_stack_size: ${stackSize}, async_stack_size: ${stackSize} }) before the first koffi.load`,
      cause,
    })
  }
}

function bindApi(koffi: typeof Koffi, path: string, expected: string): OrtCApi {
  const base = koffi.load(path).func('OrtGetApiBase', 'void *', [])() as bigint
  pinLibrary(koffi, path)
  const [getApi, getVersion] = pointersAt(koffi, base, 2)
  const version = koffi.decode(getVersion, koffi.proto('str', []))() as string
  if (version !== expected) {
    throw new RuntimeError(`ONNX Runtime ${version} was not tested with the C API driver`, {
      expected,
      fix: `npm install onnxruntime-node@${expected}`,
    })
  }
  const api = koffi.decode(getApi, koffi.proto('void *', ['uint32_t']))(apiVersion) as Pointer
  if (api === null) throw new RuntimeError(`ONNX Runtime ${version} has no C API of version ${apiVersion}`)
  return {
    version,
    functions: bindFunctions(koffi, api),
    addressOf: (memory) => koffi.address(memory),
    textAt: (address) => koffi.decode.string(address),
    memoryAt: (address, byteLength) => koffi.view(address, byteLength),
  }
}

/**
 * koffi unloads a library when nothing in JavaScript refers to it any more, at the latest when the event loop ends: the threads of a
 * session that nobody released would then run on in memory that is gone.
 */
function pinLibrary(koffi: typeof Koffi, path: string): void {
  const pinned =
    process.platform === 'win32'
      ? koffi.load('kernel32.dll').func('GetModuleHandleExW', 'int', ['uint32_t', 'str16', 'void *'])(1, path, new Uint8Array(8))
      : koffi.load(null).func('dlopen', 'void *', ['str', 'int'])(path, resolveNow)
  if (!pinned) throw new RuntimeError('the library cannot be kept loaded')
}

function bindFunctions(koffi: typeof Koffi, api: bigint): OrtCApi['functions'] {
  const entries = Object.entries(ortCApiSlots)
  const slots = pointersAt(koffi, api, Math.max(...entries.map(([, { slot }]) => slot)) + 1)
  const bound = entries.map(([name, { slot, result, parameters }]) => {
    const type = koffi.proto(result === 'status' ? 'void *' : result, [...parameters])
    return [name, nativeFunction(koffi.decode(slots[slot], type))]
  })
  return Object.fromEntries(bound) as OrtCApi['functions']
}

type KoffiFunction = ReturnType<Koffi.LibraryHandle['func']>

function nativeFunction(call: KoffiFunction): NativeFunction {
  const later = (...args: Argument[]): Promise<unknown> =>
    new Promise((resolve, reject) => {
      call.async(...args, (error: unknown, result: unknown) => {
        args.length = 0
        if (error) reject(error)
        else resolve(result)
      })
    })
  return Object.assign(call as (...args: readonly Argument[]) => unknown, { later })
}

function pointersAt(koffi: typeof Koffi, address: bigint, count: number): bigint[] {
  return koffi.decode(address, koffi.array('void *', count)) as bigint[]
}
