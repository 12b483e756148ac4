import { OptionError, RuntimeError } from '../base/errors.ts'
import type { DeviceOptions, WebProvider } from './device.ts'
import { checkDeviceOptions } from './options.ts'
import type { WebSettings } from './web-runtime.ts'
import { surroundings } from './web-surroundings.ts'

const isolation =
  'serve the page with the headers Cross-Origin-Opener-Policy: same-origin and Cross-Origin-Embedder-Policy: require-corp'

/**
 * What the options come to in this browser.
 * @throws OptionError on options that are invalid or that a browser cannot grant; RuntimeError when there is no WebGPU.
 */
export async function webSettings(options: DeviceOptions): Promise<WebSettings> {
  checkDeviceOptions(options, { drivers: ['onnxruntime-web'], options: ['provider', 'wasmPath'] })
  const { spinning = false, worker = false, provider = 'wasm', wasmPath } = options
  if (worker) {
    const fix = 'to keep the page free during runs, import nextx in a Web Worker of your own (docs/browser.md)'
    throw new OptionError('worker is true', { expected: 'false in a browser', fix })
  }
  if (spinning) throw new OptionError('spinning is true', { expected: 'false: in a browser idle threads never spin' })
  await requireProvider(provider)
  return { provider, threads: threadsOf(options), wasmPath: wasmPath === undefined ? undefined : folderUrl(wasmPath) }
}

/** Threads of WebAssembly need shared memory, which a browser gives to isolated pages only. */
function threadsOf({ threads }: DeviceOptions): number {
  const { crossOriginIsolated = false, navigator } = surroundings()
  if (!crossOriginIsolated && threads !== undefined && threads > 1) {
    throw new OptionError(`threads is ${threads}, but this page is not cross-origin isolated`, { expected: '1', fix: isolation })
  }
  // Browsers count logical cores, and a page is not alone.
  const cores = Math.max(1, Math.min(4, Math.ceil((navigator?.hardwareConcurrency ?? 1) / 2)))
  return threads ?? (crossOriginIsolated ? cores : 1)
}

async function requireProvider(provider: WebProvider): Promise<void> {
  if (provider === 'wasm') return
  if (provider !== 'webgpu') throw new OptionError(`provider is ${String(provider)}`, { expected: 'wasm or webgpu' })
  const gpu = surroundings().navigator?.gpu
  if (await gpu?.requestAdapter()) return
  const problem = gpu === undefined ? 'there is no WebGPU here' : 'WebGPU finds no graphics card'
  throw new RuntimeError(problem, { fix: "open the device with { provider: 'wasm' }; WebGPU needs HTTPS or localhost, too" })
}

function folderUrl(path: string): string {
  try {
    if (typeof path !== 'string') throw new TypeError('not a string')
    return new URL(path.endsWith('/') ? path : `${path}/`, surroundings().location?.href).href
  } catch (cause) {
    throw new OptionError(`wasmPath ${JSON.stringify(path)} is no URL`, { expected: 'the URL of a folder', cause })
  }
}
