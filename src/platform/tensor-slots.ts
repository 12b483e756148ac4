import type { DType, TypedArray } from '../base/dtype.ts'
import type { BufferId, DeviceView } from './device.ts'
import { elementTypeOf } from './element-types.ts'
import type { OrtCCalls } from './ort-c-calls.ts'

/** A tensor that stands over memory of nextx; `view` says which, when it is a device's. */
export interface HeldTensor {
  readonly view: DeviceView | undefined
  readonly memory: TypedArray
}

/** ONNX Runtime wants an address even for tensors of no elements. */
const nowhere = new Uint8Array(new ArrayBuffer(8))

/**
 * One OrtValue for each input, or each output, of a session, made anew only when what it stands for changes: caches and weights are
 * the same views run after run.
 */
export class TensorSlots {
  /** OrtValues by port; 0 where there is none. */
  readonly pointers: BigUint64Array
  readonly #held: (HeldTensor | undefined)[]
  readonly #calls: OrtCCalls
  readonly #memoryInfo: bigint

  constructor(count: number, calls: OrtCCalls, memoryInfo: bigint) {
    this.pointers = new BigUint64Array(new ArrayBuffer(8 * count))
    this.#held = new Array(count).fill(undefined)
    this.#calls = calls
    this.#memoryInfo = memoryInfo
  }

  /** What the port holds, if it stands over this very view. */
  heldFor(port: number, view: DeviceView): HeldTensor | undefined {
    const held = this.#held[port]
    return held?.view !== undefined && isSameView(held.view, view) ? held : undefined
  }

  /** Stands the port over the memory, which stays where it is and is not copied. */
  bind(port: number, tensor: { dtype: DType; shape: readonly number[] }, memory: TypedArray, view?: DeviceView): HeldTensor {
    this.clear(port)
    createTensor(this.#calls, this.#memoryInfo, tensor, memory, this.pointers.subarray(port, port + 1))
    const held = { view: view && { ...view, shape: [...view.shape] }, memory }
    this.#held[port] = held
    return held
  }

  clear(port: number): void {
    const pointer = this.pointers[port] ?? 0n
    if (pointer !== 0n) this.#calls.release('ReleaseValue', pointer)
    this.pointers[port] = 0n
    this.#held[port] = undefined
  }

  /** Lets go of all that is no view: those tensors belong to one run. */
  clearTransient(): void {
    for (const [port, held] of this.#held.entries()) if (held !== undefined && held.view === undefined) this.clear(port)
  }

  /** Lets go of all views of a buffer. */
  forget(buffer: BufferId): void {
    for (const [port, held] of this.#held.entries()) if (held?.view?.buffer === buffer) this.clear(port)
  }

  clearAll(): void {
    for (const port of this.#held.keys()) this.clear(port)
  }
}

/** Writes the pointer of a new OrtValue over the memory to `out`. */
export function createTensor(
  calls: OrtCCalls,
  memoryInfo: bigint,
  { dtype, shape }: { dtype: DType; shape: readonly number[] },
  memory: TypedArray,
  out: BigUint64Array,
): void {
  const dimensions = shape.length === 0 ? nowhere : BigInt64Array.from(shape, BigInt)
  const data = memory.byteLength === 0 ? nowhere : memory
  const create = calls.api.functions.CreateTensorWithDataAsOrtValue
  const status = create(memoryInfo, data, memory.byteLength, dimensions, shape.length, elementTypeOf[dtype], out)
  calls.check('make a tensor', status)
}

function isSameView(a: DeviceView, b: DeviceView): boolean {
  return a.buffer === b.buffer && a.byteOffset === b.byteOffset && a.dtype === b.dtype && isSameShape(a.shape, b.shape)
}

function isSameShape(a: readonly number[], b: readonly number[]): boolean {
  if (a.length !== b?.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}
