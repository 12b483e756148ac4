import type * as Ort from 'onnxruntime-node'
import { RuntimeError } from '../base/errors.ts'

/** What all packages of ONNX Runtime share, as far as devices use it. */
export interface OrtApi extends Pick<typeof Ort, 'Tensor' | 'env'> {
  readonly InferenceSession: { create(model: Uint8Array, options: Ort.InferenceSession.SessionOptions): Promise<OrtSessionApi> }
}

export interface OrtSessionApi extends Pick<Ort.InferenceSession, 'inputMetadata' | 'outputMetadata' | 'release'> {
  /** An output whose tensor is given is written into that tensor's data. */
  run(feeds: Tensors, fetches: Tensors<Ort.Tensor | null>): Promise<Tensors>
}

export type Tensors<T = Ort.Tensor> = Readonly<Record<string, T>>

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
