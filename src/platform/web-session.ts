import type * as Ort from 'onnxruntime-node'
import type { TypedArray } from '../base/dtype.ts'
import { RuntimeError } from '../base/errors.ts'
import type { WebProvider } from './device.ts'
import { bytesOf, showShape } from './host-tensor.ts'
import { messageOf, type OrtApi, type OrtSessionApi, type Tensors } from './ort-api.ts'

/**
 * onnxruntime-web with the manners of onnxruntime-node: outputs are written into the tensors that are fetched. WebAssembly has memory
 * of its own, so that onnxruntime-web leaves those tensors as they were, and says nothing.
 */
export function fillOutputs(runtime: OrtApi, provider: WebProvider): OrtApi {
  const create = async (model: Uint8Array, options: Ort.InferenceSession.SessionOptions) => {
    const given = { ...options, executionProviders: [provider] }
    return new FillingSession(await start(() => runtime.InferenceSession.create(model, given)))
  }
  return { Tensor: runtime.Tensor, env: runtime.env, InferenceSession: { create } }
}

/** The first session starts the WebAssembly; when that fails, as where the server does not have it, it fails until the page is loaded again. */
async function start<T>(create: () => Promise<T>): Promise<T> {
  try {
    return await create()
  } catch (cause) {
    const message = messageOf(cause)
    if (!/no available backend|initializeWebAssembly/.test(message)) throw cause
    throw new RuntimeError(`its WebAssembly does not start (${message})`, {
      fix: 'see that the server has the .wasm file, say where with wasmPath, and load the page again',
      cause,
    })
  }
}

class FillingSession implements OrtSessionApi {
  readonly inputMetadata: OrtSessionApi['inputMetadata']
  readonly outputMetadata: OrtSessionApi['outputMetadata']
  readonly #session: OrtSessionApi

  constructor(session: OrtSessionApi) {
    this.inputMetadata = session.inputMetadata
    this.outputMetadata = session.outputMetadata
    this.#session = session
  }

  async run(feeds: Tensors, fetches: Tensors<Ort.Tensor | null>): Promise<Tensors> {
    const names = Object.keys(fetches)
    const results = await this.#session.run(feeds, Object.fromEntries(names.map((name) => [name, null])))
    const targets = names.flatMap((name) => {
      const target = fetches[name]
      return target ? [{ to: target, from: checkedResult(name, results[name], target) }] : []
    })
    for (const { to, from } of targets) bytesOf(to.data as TypedArray).set(bytesOf(from.data as TypedArray))
    return results
  }

  release(): Promise<void> {
    return this.#session.release()
  }
}

function checkedResult(name: string, result: Ort.Tensor | undefined, { type, dims }: Ort.Tensor): Ort.Tensor {
  if (result?.type === type && showShape(result.dims) === showShape(dims)) return result
  const found = result === undefined ? 'missing' : `${result.type} ${showShape(result.dims)}`
  throw new RuntimeError(`output '${name}' is ${found}`, { expected: `${type} ${showShape(dims)}, as what it is written into` })
}
