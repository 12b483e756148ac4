import { RuntimeError } from '../base/errors.ts'
import { callRuntime } from './ort-api.ts'
import type { Argument, OrtCApi } from './ort-c-api.ts'
import type { ApiFunction } from './ort-c-api-slots.ts'

/** Calls of ONNX Runtime's C API whose failures come out as RuntimeErrors, with every status released. */
export class OrtCCalls {
  readonly api: OrtCApi

  constructor(api: OrtCApi) {
    this.api = api
  }

  /** @throws RuntimeError with ONNX Runtime's own reason. */
  do(what: string, name: ApiFunction, ...args: readonly Argument[]): void {
    this.check(what, this.api.functions[name](...args))
  }

  /** On another thread: the event loop stays free. */
  async later(what: string, name: ApiFunction, ...args: readonly Argument[]): Promise<void> {
    this.check(what, await callRuntime(what, () => this.api.functions[name].later(...args)))
  }

  /** What the function writes to its last parameter, a pointer or a size. */
  word(what: string, name: ApiFunction, ...args: readonly Argument[]): bigint {
    const out = new BigUint64Array(new ArrayBuffer(8))
    this.do(what, name, ...args, out)
    return out[0] ?? 0n
  }

  /** What the function writes to its last parameter, an enumerator. */
  enumerator(what: string, name: ApiFunction, ...args: readonly Argument[]): number {
    const out = new Int32Array(new ArrayBuffer(4))
    this.do(what, name, ...args, out)
    return out[0] ?? 0
  }

  release(name: Extract<ApiFunction, `Release${string}`>, pointer: bigint): void {
    this.api.functions[name](pointer)
  }

  /** @throws RuntimeError unless the status is NULL, which is success. */
  check(what: string, status: unknown): void {
    if (status === null) return
    const { GetErrorMessage, ReleaseStatus } = this.api.functions
    const reason = String(GetErrorMessage(status as bigint)).trim()
    ReleaseStatus(status as bigint)
    throw new RuntimeError(`ONNX Runtime failed to ${what}: ${reason}`)
  }
}
