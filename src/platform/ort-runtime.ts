import type * as Ort from 'onnxruntime-node'
import { RuntimeError } from '../base/errors.ts'
import { messageOf, testedRuntimeVersion } from './ort-api.ts'
import { silenceRuntime } from './runtime-telemetry.ts'

export type OrtRuntime = Pick<typeof Ort, 'InferenceSession' | 'Tensor' | 'env' | 'listSupportedBackends'>

export const installRuntime =
  'install it with `npm install onnxruntime-node@1.30.0` (with `--ignore-scripts` on a closed network: the CPU needs nothing from the script)'

/**
 * Loads onnxruntime-node when it is first needed: it is an optional peer dependency.
 * @throws RuntimeError when the package is missing or its native library does not load.
 */
export async function loadRuntime(load: () => Promise<OrtRuntime> = () => import('onnxruntime-node')): Promise<OrtRuntime> {
  silenceRuntime()
  try {
    return await load()
  } catch (cause) {
    if (isMissingPackage(cause)) throw new RuntimeError('onnxruntime-node is not installed', { fix: installRuntime, cause })
    throw new RuntimeError(`onnxruntime-node does not load: ${messageOf(cause)}`, {
      expected: `onnxruntime-node ${testedRuntimeVersion} built for ${process.platform} ${process.arch}`,
      fix: 'run `nextx doctor` to see what is missing',
      cause,
    })
  }
}

function isMissingPackage(error: unknown): boolean {
  return (
    error instanceof Error &&
    'code' in error &&
    (error.code === 'ERR_MODULE_NOT_FOUND' || error.code === 'MODULE_NOT_FOUND') &&
    error.message.includes("'onnxruntime-node'")
  )
}
