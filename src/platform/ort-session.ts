import type * as Ort from 'onnxruntime-node'
import { arrayTypes, type DType, type HostTensor, type TypedArray } from '../base/dtype.ts'
import { DTypeError, OptionError, RuntimeError, ShapeError } from '../base/errors.ts'
import type { BufferTable } from './buffer-table.ts'
import type { Feed, Fetch, SessionOptions } from './device.ts'
import { checkHostTensor, checkObject, copyArray, isDType, showShape } from './host-tensor.ts'
import { checkSessionOptions } from './options.ts'
import { callRuntime, type OrtApi, type OrtSessionApi, type Tensors } from './ort-api.ts'
import { checkRows, writeRows } from './row-copy.ts'

/** One input or output of a model. A dimension that is text is known only at run time. */
interface Port {
  readonly type: string
  readonly shape: readonly (number | string)[]
}

type Ports = ReadonlyMap<string, Port>

export interface SessionSettings {
  readonly threads: number
  readonly spinning: boolean
}

/** A loaded model: checks what goes in and out against the model's own signature, so that ONNX Runtime sees only what fits. */
export class OrtSession {
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
    if (!(model instanceof Uint8Array) || model.length === 0)
      throw new OptionError('the model has no bytes', { expected: 'an ONNX file' })
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
    checkObject(feeds, 'the feeds')
    checkObject(fetches, 'the fetches')
    const inputs = this.#inputTensors(feeds, buffers)
    const targets = this.#targets(fetches, buffers)
    const outputs: Record<string, Ort.Tensor | null> = Object.create(null)
    for (const { name, fetch, memory } of targets) outputs[name] = fetch.kind === 'view' ? this.#tensor(fetch.view, memory) : null
    const results = await callRuntime('run the model', () => this.#session.run(inputs, outputs))
    return deliver(results, targets)
  }

  release(): Promise<void> {
    return callRuntime('release a session', () => this.#session.release())
  }

  #inputTensors(feeds: Readonly<Record<string, Feed>>, buffers: BufferTable): Record<string, Ort.Tensor> {
    const missing = [...this.#inputs.keys()].find((name) => !Object.hasOwn(feeds, name))
    if (missing !== undefined) throw new OptionError(`input '${missing}' is not fed`)
    const tensors: Record<string, Ort.Tensor> = Object.create(null)
    for (const [name, feed] of Object.entries(feeds)) {
      const port = portOf(this.#inputs, name, 'input')
      checkObject(feed, `input '${name}'`)
      const data = 'buffer' in feed ? buffers.window(feed) : hostData(feed, name)
      checkType(feed.dtype, port, `input '${name}'`)
      checkShape(feed.shape, port, `input '${name}'`)
      tensors[name] = this.#tensor(feed, data)
    }
    return tensors
  }

  #targets(fetches: Readonly<Record<string, Fetch>>, buffers: BufferTable): readonly Target[] {
    const targets = Object.entries(fetches).map(([name, fetch]) =>
      target(name, fetch, portOf(this.#outputs, name, 'output'), buffers),
    )
    if (targets.length === 0) throw new OptionError('a run fetches nothing', { expected: 'at least one output' })
    checkDisjoint(targets)
    return targets
  }

  #tensor({ dtype, shape }: { dtype: DType; shape: readonly number[] }, data: TypedArray): Ort.Tensor {
    return new this.#runtime.Tensor(dtype as Ort.Tensor.Type, data as Ort.Tensor.DataType, shape)
  }
}

/** One fetched output; `memory` is the view's own, empty for an output that goes to the host. */
interface Target {
  readonly name: string
  readonly fetch: Fetch
  readonly memory: TypedArray
}

const noMemory = new Uint8Array(0)

function target(name: string, fetch: Fetch, port: Port, buffers: BufferTable): Target {
  const what = `output '${name}'`
  checkObject(fetch, what)
  if (fetch.kind === 'host') return { name, fetch, memory: noMemory }
  if (fetch.kind !== 'view' && fetch.kind !== 'rows') {
    throw new OptionError(`${what} is fetched as '${String((fetch as { kind: unknown }).kind)}'`, {
      expected: 'host, view or rows',
    })
  }
  const memory = buffers.window(fetch.view)
  checkType(fetch.view.dtype, port, what)
  if (fetch.kind === 'rows') checkRows(fetch, name)
  else checkShape(fetch.view.shape, port, what)
  return { name, fetch, memory }
}

/** Two outputs written by one run over the same bytes would leave whichever came last. */
function checkDisjoint(targets: readonly Target[]): void {
  const written = targets.flatMap(({ name, fetch, memory }) =>
    fetch.kind === 'view' && memory.byteLength > 0
      ? { name, buffer: fetch.view.buffer, begin: memory.byteOffset, size: memory.byteLength }
      : [],
  )
  written.sort((a, b) => a.buffer - b.buffer || a.begin - b.begin)
  for (const [i, next] of written.entries()) {
    const before = written[i - 1]
    if (before?.buffer === next.buffer && before.begin + before.size > next.begin) {
      throw new OptionError(`outputs '${before.name}' and '${next.name}' go to the same bytes`)
    }
  }
}

function deliver(results: Tensors, targets: readonly Target[]): Record<string, HostTensor> {
  const delivered: [string, HostTensor][] = []
  for (const { name, fetch, memory } of targets) {
    if (fetch.kind === 'view') continue
    const value = hostTensor(results[name], name)
    if (fetch.kind === 'rows') writeRows(value, memory, fetch, name)
    else delivered.push([name, value])
  }
  return Object.fromEntries(delivered)
}

function hostTensor(result: Ort.Tensor | undefined, name: string): HostTensor {
  if (result === undefined) throw new RuntimeError(`ONNX Runtime did not return output '${name}'`)
  const { type: dtype, dims, data } = result
  if (!isDType(dtype) || !ArrayBuffer.isView(data))
    throw new DTypeError(`output '${name}' is ${dtype}, which nextx has no array for`)
  // Where the engine has Float16Array, ONNX Runtime uses it; nextx carries the bits.
  return { dtype, shape: [...dims], data: new arrayTypes[dtype](data.buffer, data.byteOffset, result.size) }
}

function hostData(feed: HostTensor, name: string): TypedArray {
  checkHostTensor(feed, `input '${name}'`)
  return unshared(feed.dtype, feed.data)
}

/** ONNX Runtime refuses shared memory. */
function unshared<T extends TypedArray>(dtype: DType, data: T): T {
  return data.buffer instanceof ArrayBuffer ? data : (copyArray(dtype, data) as TypedArray as T)
}

function portsOf(metadata: readonly Ort.InferenceSession.ValueMetadata[]): Ports {
  return new Map(metadata.map((port) => [port.name, port.isTensor ? port : { type: 'not a tensor', shape: [] }]))
}

function portOf(ports: Ports, name: string, what: string): Port {
  const port = ports.get(name)
  if (port === undefined) throw new OptionError(`the model has no ${what} '${name}'`, { expected: [...ports.keys()].join(', ') })
  return port
}

function checkType(dtype: DType, port: Port, what: string): void {
  if (dtype !== port.type) throw new DTypeError(`${what} is given as ${dtype}`, { expected: port.type })
}

/** A model may leave a shape out, which reads as `[]` like a scalar's: ONNX Runtime checks those. */
function checkShape(shape: readonly number[], port: Port, what: string): void {
  if (port.shape.length === 0) return
  const fits = shape.length === port.shape.length && port.shape.every((size, i) => typeof size === 'string' || size === shape[i])
  if (!fits) throw new ShapeError(`${what} is given as ${showShape(shape)}`, { expected: showShape(port.shape) })
}

function runtimeOptions(settings: SessionSettings, options: SessionOptions): Ort.InferenceSession.SessionOptions {
  const { optimization = 'all', externalData = {} } = options
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
    extra: { session: { intra_op: { allow_spinning: settings.spinning ? '1' : '0' } } },
    externalData: Object.entries(externalData).map(([path, data]) => ({ path, data: unshared('uint8', data) })),
  }
}
