import { arrayTypes, bytesPerElement, elementCount, type HostTensor } from '../base/dtype.ts'
import { DTypeError, RuntimeError } from '../base/errors.ts'
import type { BufferTable } from './buffer-table.ts'
import type { BufferId, DeviceView, Feed, Fetch } from './device.ts'
import { isDType } from './host-tensor.ts'
import { callRuntime } from './ort-api.ts'
import type { OrtCCalls } from './ort-c-calls.ts'
import { readDimensions, readElementType } from './ort-c-model.ts'
import { OutputShapes } from './output-shapes.ts'
import { PortNames } from './port-names.ts'
import type { DriverSession } from './session-driver.ts'
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
import { createTensor, type HeldTensor, TensorSlots } from './tensor-slots.ts'

type Feeds = Readonly<Record<string, Feed>>
type Fetches = Readonly<Record<string, Fetch>>

export interface NativeSession {
  readonly calls: OrtCCalls
  readonly pointer: bigint
  readonly memoryInfo: bigint
  readonly inputs: Ports
  readonly outputs: Ports
}

/** A fetched output that is no view: its place in the run's list, and the memory that it is written to where its shape is known. */
interface Returned extends Target {
  readonly at: number
  readonly bound: HostTensor | undefined
}

/** A model loaded through the C API: views are fed and fetched where they lie, and the run is done on another thread. */
export class OrtCSession implements DriverSession {
  readonly #native: NativeSession
  readonly #calls: OrtCCalls
  readonly #inputs: TensorSlots
  readonly #outputs: TensorSlots
  readonly #inputNames: PortNames
  readonly #outputNames: PortNames
  readonly #shapes: OutputShapes
  /** What a run fetches, in its order: addresses of names, and OrtValues (0 where ONNX Runtime makes them). */
  readonly #fetchedNames: BigUint64Array
  readonly #fetched: BigUint64Array
  /** Views that were found to lie apart. */
  #apart: readonly HeldTensor[] = []

  constructor(native: NativeSession) {
    const { calls, memoryInfo, inputs, outputs } = native
    this.#native = native
    this.#calls = calls
    this.#inputs = new TensorSlots(inputs.size, calls, memoryInfo)
    this.#outputs = new TensorSlots(outputs.size, calls, memoryInfo)
    this.#inputNames = new PortNames(inputs, calls)
    this.#outputNames = new PortNames(outputs, calls)
    this.#shapes = new OutputShapes(inputs, outputs)
    this.#fetchedNames = new BigUint64Array(new ArrayBuffer(8 * outputs.size))
    this.#fetched = new BigUint64Array(new ArrayBuffer(8 * outputs.size))
  }

  async run(feeds: Feeds, fetches: Fetches, buffers: BufferTable): Promise<Record<string, HostTensor>> {
    const returned: Returned[] = []
    try {
      this.#bindInputs(feeds, buffers)
      this.#bindOutputs(feeds, fetches, buffers, returned)
      await this.#run(Object.keys(fetches).length)
      return deliver(returned, (target) => this.#value(target, feeds))
    } finally {
      this.#inputs.clearTransient()
      for (const { at } of returned) this.#releaseFetched(at)
    }
  }

  forget(buffer: BufferId): void {
    this.#inputs.forget(buffer)
    this.#outputs.forget(buffer)
    this.#apart = []
  }

  async release(): Promise<void> {
    this.#inputs.clearAll()
    this.#outputs.clearAll()
    await callRuntime('release a session', () => this.#calls.api.functions.ReleaseSession.later(this.#native.pointer))
  }

  #bindInputs(feeds: Feeds, buffers: BufferTable): void {
    checkFeedNames(feeds, this.#native.inputs)
    let i = 0
    for (const [name, port] of this.#native.inputs) {
      const feed = feeds[name] as Feed
      if (this.#inputs.heldFor(i, feed as DeviceView) === undefined) {
        const memory = checkFeed(name, feed, port, buffers)
        this.#inputs.bind(i, feed, memory, 'buffer' in feed ? feed : undefined)
      }
      i++
    }
  }

  #bindOutputs(feeds: Feeds, fetches: Fetches, buffers: BufferTable, returned: Returned[]): void {
    checkFetchNames(fetches, this.#native.outputs)
    const names = Object.keys(fetches)
    const written: HeldTensor[] = []
    for (const [at, name] of names.entries()) {
      const fetch = fetches[name] as Fetch
      const port = this.#outputNames.indexOf(name)
      this.#fetchedNames[at] = this.#outputNames.pointers[port] ?? 0n
      if (fetch?.kind === 'view') {
        written.push(this.#holdOutput(name, port, fetch, buffers))
        this.#fetched[at] = this.#outputs.pointers[port] ?? 0n
      } else returned.push(this.#expect(name, fetch, at, feeds, buffers))
    }
    this.#checkApart(
      written,
      names.filter((name) => fetches[name]?.kind === 'view'),
    )
  }

  #holdOutput(name: string, port: number, fetch: Extract<Fetch, { kind: 'view' }>, buffers: BufferTable): HeldTensor {
    const held = this.#outputs.heldFor(port, fetch.view)
    if (held !== undefined) return held
    const { memory } = checkFetch(name, fetch, portOf(this.#native.outputs, name, 'output'), buffers)
    return this.#outputs.bind(port, fetch.view, memory, fetch.view)
  }

  /** An output that comes back is computed in the memory that comes back, where its shape is known beforehand. */
  #expect(name: string, fetch: Fetch, at: number, feeds: Feeds, buffers: BufferTable): Returned {
    const port = portOf(this.#native.outputs, name, 'output')
    const target = checkFetch(name, fetch, port, buffers)
    this.#fetched[at] = 0n
    const shape = fetch.kind === 'host' ? this.#shapes.foretell(name, feeds) : undefined
    if (shape === undefined || !isDType(port.type)) return { ...target, at, bound: undefined }
    const bound = { dtype: port.type, shape, data: new arrayTypes[port.type](elementCount(shape)) }
    createTensor(this.#calls, this.#native.memoryInfo, bound, bound.data, this.#fetched.subarray(at, at + 1))
    return { ...target, at, bound }
  }

  /** Only what changed since the last run needs to be looked at. */
  #checkApart(written: readonly HeldTensor[], names: readonly string[]): void {
    const known = this.#apart
    if (written.length === known.length && written.every((held, i) => held === known[i])) return
    checkDisjoint(
      written.flatMap(({ view, memory }, i) => (view ? { name: names[i] ?? '', view, byteLength: memory.byteLength } : [])),
    )
    this.#apart = written
  }

  #run(fetched: number): Promise<void> {
    const inputs = this.#inputs.pointers
    return this.#calls.later(
      'run the model',
      'Run',
      this.#native.pointer,
      null,
      this.#inputNames.pointers,
      inputs,
      inputs.length,
      this.#fetchedNames,
      fetched,
      this.#fetched,
    )
  }

  #value({ name, at, bound, fetch }: Returned, feeds: Feeds): HostTensor {
    if (bound !== undefined) return bound
    const value = readTensor(this.#calls, this.#fetched[at] ?? 0n, name)
    if (fetch.kind === 'rows') return value
    this.#shapes.learn(name, feeds, value.shape)
    return { ...value, data: value.data.slice() }
  }

  #releaseFetched(at: number): void {
    const pointer = this.#fetched[at] ?? 0n
    if (pointer !== 0n) this.#calls.release('ReleaseValue', pointer)
    this.#fetched[at] = 0n
  }
}

/** A tensor that ONNX Runtime made, where it lies: the memory goes when the OrtValue is released. */
function readTensor(calls: OrtCCalls, value: bigint, name: string): HostTensor {
  if (value === 0n) throw new RuntimeError(`ONNX Runtime did not return output '${name}'`)
  const reading = 'read an output'
  const info = calls.word(reading, 'GetTensorTypeAndShape', value)
  try {
    const dtype = readElementType(calls, info)
    const shape = readDimensions(calls, info)
    if (!isDType(dtype)) throw new DTypeError(`output '${name}' is ${dtype}, which nextx has no array for`)
    const count = elementCount(shape)
    if (count === 0) return { dtype, shape, data: new arrayTypes[dtype](0) }
    const address = calls.word(reading, 'GetTensorMutableData', value)
    return { dtype, shape, data: new arrayTypes[dtype](calls.api.memoryAt(address, count * bytesPerElement[dtype])) }
  } finally {
    calls.release('ReleaseTensorTypeAndShapeInfo', info)
  }
}
