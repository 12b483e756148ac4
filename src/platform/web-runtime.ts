import type * as Ort from 'onnxruntime-web'
import { OptionError, RuntimeError } from '../base/errors.ts'
import type { WebProvider } from './device.ts'
import { messageOf, type OrtApi, testedRuntimeVersion } from './ort-api.ts'
import { fillOutputs } from './web-session.ts'

export interface WebSettings {
  readonly provider: WebProvider
  readonly threads: number
  /** Absolute URL of a folder; undefined where the bundler knows. */
  readonly wasmPath: string | undefined
}

/** The names that onnxruntime-web gives to its WebAssembly. */
export const wasmFiles: Readonly<Record<WebProvider, string>> = {
  wasm: 'ort-wasm-simd-threaded.wasm',
  webgpu: 'ort-wasm-simd-threaded.asyncify.wasm',
}

const packages: Readonly<Record<WebProvider, () => Promise<typeof Ort>>> = {
  wasm: () => import('onnxruntime-web/wasm'),
  webgpu: () => import('onnxruntime-web/webgpu'),
}

/**
 * Loads onnxruntime-web when it is first needed: it is an optional peer dependency.
 * @throws RuntimeError when it does not load; OptionError when the page runs it with other settings already.
 */
export async function loadWebRuntime(settings: WebSettings): Promise<OrtApi> {
  const runtime = await loadPackage(settings.provider)
  configure(runtime.env.wasm, settings)
  return fillOutputs(runtime as unknown as OrtApi, settings.provider)
}

async function loadPackage(provider: WebProvider): Promise<typeof Ort> {
  try {
    return await packages[provider]()
  } catch (cause) {
    throw new RuntimeError(`onnxruntime-web does not load: ${messageOf(cause)}`, {
      expected: `onnxruntime-web ${testedRuntimeVersion} in the bundle`,
      fix: `npm install onnxruntime-web@${testedRuntimeVersion}`,
      cause,
    })
  }
}

/** One page (or worker) holds one runtime: its threads, and where its WebAssembly comes from, are settled when it is first used. */
function configure(flags: Ort.Env.WebAssemblyFlags, { provider, threads, wasmPath }: WebSettings): void {
  const wasm = wasmPath === undefined ? undefined : new URL(wasmFiles[provider], wasmPath).href
  const [startedThreads, startedWasm] = [flags.numThreads || threads, pathOf(flags) ?? wasm]
  if (startedThreads !== threads) throw settled('threads', startedThreads, threads)
  if (startedWasm !== wasm) throw settled('wasmPath', startedWasm, wasm)
  flags.numThreads = threads
  if (wasm !== undefined) flags.wasmPaths = { wasm }
}

function pathOf({ wasmPaths }: Ort.Env.WebAssemblyFlags): string | undefined {
  if (wasmPaths === undefined || typeof wasmPaths === 'string') return wasmPaths
  return wasmPaths.wasm === undefined ? undefined : String(wasmPaths.wasm)
}

function settled(option: string, started: unknown, asked: unknown): OptionError {
  return new OptionError(`${option} is ${String(asked)}, but this page's runtime was started with ${String(started)}`, {
    fix: 'open all devices of a page with the same settings, or in workers',
  })
}
