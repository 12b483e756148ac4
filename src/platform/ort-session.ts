import type * as Ort from 'onnxruntime-node'
import { arrayTypes, type DType, type HostTensor, type TypedArray } from '../base/dtype.ts'
import { DTypeError, RuntimeError } from '../base/errors.ts'
import type { BufferTable } from './buffer-table.ts'
import type { Feed, Fetch, SessionOptions } from './device.ts'
import { isDType, unshared } from './host-tensor.ts'
import { checkModel, checkSessionOptions } from './options.ts'
import { callRuntime, type OrtApi, type OrtSessionApi } from './ort-api.ts'
import type { DriverSession, SessionSettings } from './session-driver.ts'
import {
  checkDisjoint,
  checkFeed,
  checkFeedNames,
  checkFetch,
  checkFetchNames,
  deliver,
  type Ports,
  portOf,
  type Target,
} from './session-ports.ts'

/** A model loaded by onnxruntime-node: what goes in and out is checked against its signature, so that the binding sees what fits. */
export class OrtSession implements DriverSession {
  readonly #runtime: OrtApi
  readonly #session: OrtSessionApi
  readonly #inputs: Ports
  readonly #outputs: Ports

  private constructor(runtime: OrtApi, session: OrtSessionApi) {
    this.#runtime = runtime
    this.#session = session
    this.#inputs = portsOf(session.inputMetadata)
    this.#outputs = portsOf(session.outputMetadata)
  }

  static async create(runtime: OrtApi, model: Uint8Array, settings: SessionSettings, options: SessionOptions): Promise<OrtSession> {
    checkSessionOptions(options)
    checkModel(model)
    const bytes = unshared('uint8', model)
    const session = await callRuntime('load the model', () =>
      runtime.InferenceSession.create(bytes, runtimeOptions(settings, options)),
    )
    return new OrtSession(runtime, session)
  }

  /** Feeds and views are not copied; what comes back in the record has memory of its own. */
  async run(
    feeds: Readonly<Record<string, Feed>>,
    fetches: Readonly<Record<string, Fetch>>,
    buffers: BufferTable,
  ): Promise<Record<string, HostTensor>> {
    const inputs = this.#inputTensors(feeds, buffers)
    const targets = this.#targets(fetches, buffers)
    const outputs: Record<string, Ort.Tensor | null> = Object.create(null)
    for (const { name, fetch, memory } of targets) outputs[name] = fetch.kind === 'view' ? this.#tensor(fetch.view, memory) : null
    const results = await callRuntime('run the model', () => this.#session.run(inputs, outputs))
    return deliver(targets, ({ name }) => hostTensor(results[name], name))
  }

  /** The binding holds on to no view between two runs. */
  forget(): void {}

  release(): Promise<void> {
    return callRuntime('release a session', () => this.#session.release())
  }

  #inputTensors(feeds: Readonly<Record<string, Feed>>, buffers: BufferTable): Record<string, Ort.Tensor> {
    checkFeedNames(feeds, this.#inputs)
    const tensors: Record<string, Ort.Tensor> = Object.create(null)
    for (const [name, feed] of Object.entries(feeds)) {
      const data = checkFeed(name, feed, portOf(this.#inputs, name, 'input'), buffers)
      tensors[name] = this.#tensor(feed, unshared(feed.dtype, data))
    }
    return tensors
  }

  #targets(fetches: Readonly<Record<string, Fetch>>, buffers: BufferTable): readonly Target[] {
    checkFetchNames(fetches, this.#outputs)
    const targets = Object.entries(fetches).map(([name, fetch]) =>
      checkFetch(name, fetch, portOf(this.#outputs, name, 'output'), buffers),
    )
    checkDisjoint(
      targets.flatMap(({ name, fetch, memory }) =>
        fetch.kind === 'view' ? { name, view: fetch.view, byteLength: memory.byteLength } : [],
      ),
    )
    return targets
  }

  #tensor({ dtype, shape }: { dtype: DType; shape: readonly number[] }, data: TypedArray): Ort.Tensor {
    return new this.#runtime.Tensor(dtype as Ort.Tensor.Type, data as Ort.Tensor.DataType, shape)
  }
}

function hostTensor(result: Ort.Tensor | undefined, name: string): HostTensor {
  if (result === undefined) throw new RuntimeError(`ONNX Runtime did not return output '${name}'`)
  const { type: dtype, dims, data } = result
  if (!isDType(dtype) || !ArrayBuffer.isView(data))
    throw new DTypeError(`output '${name}' is ${dtype}, which nextx has no array for`)
  // Where the engine has Float16Array, ONNX Runtime uses it; nextx carries the bits.
  return { dtype, shape: [...dims], data: new arrayTypes[dtype](data.buffer, data.byteOffset, result.size) }
}

function portsOf(metadata: readonly Ort.InferenceSession.ValueMetadata[]): Ports {
  return new Map(metadata.map((port) => [port.name, port.isTensor ? port : { type: 'not a tensor', shape: [] }]))
}

function runtimeOptions(settings: SessionSettings, options: SessionOptions): Ort.InferenceSession.SessionOptions {
  const { optimization = 'all', externalData = {}, externalFolder } = options
  return {
    executionProviders: ['cpu'],
    graphOptimizationLevel: optimization,
    executionMode: 'sequential',
    // The planned layout of a training step takes 300 MB more than the arena needs (975 against 690 MB), at the same speed.
    enableMemPattern: false,
    intraOpNumThreads: settings.threads,
    interOpNumThreads: 1,
    // Failures come back as errors; a second report on the terminal would only be noise.
    logSeverityLevel: 4,
    extra: {
      session: {
        intra_op: { allow_spinning: settings.spinning ? '1' : '0' },
        ...(externalFolder !== undefined && { model_external_initializers_file_folder_path: externalFolder }),
      },
    },
    externalData: Object.entries(externalData).map(([path, data]) => ({ path, data: unshared('uint8', data) })),
  }
}
