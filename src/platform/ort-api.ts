import type * as Ort from 'onnxruntime-node'
import { RuntimeError } from '../base/errors.ts'

/** What all packages of ONNX Runtime share. */
export type OrtApi = Pick<typeof Ort, 'InferenceSession' | 'Tensor' | 'env'>

/** The release whose behaviour (copies, aliasing, in-place outputs) was checked. */
export const testedRuntimeVersion = '1.30.0'

/** The version of the package, such as `1.30.0`. */
export function runtimeVersion({ env: { versions } }: OrtApi): string {
  return versions.node ?? versions.web ?? versions.common
}

/** Awaits one call of ONNX Runtime; whatever it throws comes out as a RuntimeError with its message. */
export async function callRuntime<T>(what: string, call: () => Promise<T>): Promise<T> {
  try {
    return await call()
  } catch (cause) {
    throw new RuntimeError(`ONNX Runtime failed to ${what}: ${messageOf(cause)}`, { cause })
  }
}

export function messageOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).trim()
}
