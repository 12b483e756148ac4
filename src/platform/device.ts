import type { DType, HostTensor, TypedArray } from '../base/dtype.ts'

/** A typed window on a buffer that a device owns. */
export interface DeviceView {
  readonly buffer: BufferId
  readonly dtype: DType
  readonly shape: readonly number[]
  readonly byteOffset: number
}

export type BufferId = number
export type SessionId = number

export type Feed = HostTensor | DeviceView

/** Where one output of a run goes. */
export type Fetch =
  /** Back to the caller. */
  | { readonly kind: 'host' }
  /** Over the whole view. The view may be one that the same run feeds: the program's compiler proves when that is safe. */
  | { readonly kind: 'view'; readonly view: DeviceView }
  /**
   * Rows of `axis`: for each index b of the first axis, `value[b, …, 0:counts[b], …]` goes to
   * `view[b, …, starts[b]:starts[b]+counts[b], …]`. Written after the run, so the run may read the view.
   */
  | {
      readonly kind: 'rows'
      readonly view: DeviceView
      readonly axis: number
      readonly starts: ArrayLike<number>
      readonly counts: ArrayLike<number>
    }

export interface SessionOptions {
  /** ONNX Runtime's graph optimisation level. */
  readonly optimization?: 'disabled' | 'basic' | 'extended' | 'all'
  /** External data files by the location the model names. */
  readonly externalData?: Readonly<Record<string, Uint8Array>>
  /** Folder of the external data files that are not in `externalData`; the runtime maps them, so that weights are held once. */
  readonly externalFolder?: string
}

/**
 * Who runs the sessions. `onnxruntime-c`: ONNX Runtime's C API, called on the library that onnxruntime-node ships; `onnxruntime-node`:
 * its binding; `onnxruntime-web`: WebAssembly.
 */
export type DriverName = 'onnxruntime-c' | 'onnxruntime-node' | 'onnxruntime-web'

export interface DeviceOptions {
  /** Threads of one operation. Default: the number of physical cores the process may use. */
  readonly threads?: number
  /** Let idle threads spin (faster on a quiet machine, slower on a busy one). Default false. */
  readonly spinning?: boolean
  /**
   * Run in a worker thread, so that the event loop stays free. Default true. The driver `onnxruntime-c` needs none: its runs leave the
   * event loop free from within the process, and `info.worker` is false. In a browser only false is granted: there, import nextx in a
   * Web Worker.
   */
  readonly worker?: boolean
  /** Browsers only: what computes, WebAssembly on the processor (default) or WebGPU on the graphics card. */
  readonly provider?: WebProvider
  /**
   * Browsers only: URL of the folder that holds the .wasm files of onnxruntime-web. Default: wherever the bundler put them; without a
   * bundler, beside the package's modules.
   */
  readonly wasmPath?: string
  /**
   * Default `auto`: `onnxruntime-web` in a browser; elsewhere `onnxruntime-c` where koffi is installed and the driver passes its
   * self-test, `onnxruntime-node` otherwise.
   */
  readonly driver?: 'auto' | DriverName
}

export type WebProvider = 'wasm' | 'webgpu'

export interface DeviceInfo {
  readonly driver: DriverName
  readonly version: string
  readonly threads: number
  readonly worker: boolean
  /** Outputs are computed inside the views they go to, with no copy: what is fed and fetched as one view grows in place, as caches do. */
  readonly boundOutputs: boolean
}

export interface DeviceMemory {
  readonly buffers: number
  readonly bytes: number
  readonly sessions: number
}

/**
 * Where programs run: sessions, and the buffers that outlive a run. One device owns one runtime thread; calls are answered in the
 * order they were made. All calls reject with DisposedError after disposal, with RuntimeError when the runtime fails.
 */
export interface Device extends AsyncDisposable {
  readonly info: DeviceInfo
  /** A zero-filled buffer. */
  allocate(byteLength: number): Promise<BufferId>
  free(buffer: BufferId): Promise<void>
  write(view: DeviceView, data: TypedArray): Promise<void>
  read(view: DeviceView): Promise<TypedArray>
  /** Copies whole views of one dtype and size, or rows of one view to another place (overlap allowed). */
  copy(from: DeviceView, to: DeviceView): Promise<void>
  load(model: Uint8Array, options?: SessionOptions): Promise<SessionId>
  unload(session: SessionId): Promise<void>
  run(
    session: SessionId,
    feeds: Readonly<Record<string, Feed>>,
    fetches: Readonly<Record<string, Fetch>>,
  ): Promise<Record<string, HostTensor>>
  memory(): Promise<DeviceMemory>
}
