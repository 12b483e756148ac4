import { arrayTypes, bytesPerElement, type TypedArray } from '../base/dtype.ts'
import { DisposedError, OptionError, RuntimeError, ShapeError } from '../base/errors.ts'
import type { BufferId, DeviceView } from './device.ts'
import { checkDType, checkedElementCount, checkObject, showShape } from './host-tensor.ts'

/** The buffers of one device. Ids are never used twice, so a stale view is noticed. */
export class BufferTable {
  readonly #buffers = new Map<BufferId, ArrayBuffer>()
  #next: BufferId = 1
  #bytes = 0

  get count(): number {
    return this.#buffers.size
  }

  get bytes(): number {
    return this.#bytes
  }

  allocate(byteLength: number): BufferId {
    if (!Number.isSafeInteger(byteLength) || byteLength < 0) {
      throw new OptionError(`cannot allocate ${byteLength} bytes`, { expected: 'an integer ≥ 0' })
    }
    const id = this.#next++
    this.#buffers.set(id, createBuffer(byteLength))
    this.#bytes += byteLength
    return id
  }

  free(id: BufferId): void {
    this.#bytes -= this.#find(id).byteLength
    this.#buffers.delete(id)
  }

  clear(): void {
    this.#buffers.clear()
    this.#bytes = 0
  }

  /** The memory of a view, not a copy. */
  window(view: DeviceView): TypedArray {
    checkObject(view, 'a view')
    const { buffer: id, dtype, shape, byteOffset } = view
    const buffer = this.#find(id)
    const what = `the view on buffer ${id}`
    checkDType(dtype, what)
    const count = checkedElementCount(shape, what)
    const size = bytesPerElement[dtype]
    if (!Number.isSafeInteger(byteOffset) || byteOffset < 0 || byteOffset % size !== 0) {
      throw new OptionError(`${what} starts at byte ${byteOffset}`, { expected: `a multiple of ${size} (${dtype}), ≥ 0` })
    }
    if (byteOffset + count * size > buffer.byteLength) {
      throw new ShapeError(
        `${what} (${dtype} ${showShape(shape)} at byte ${byteOffset}) ends at byte ${byteOffset + count * size}`,
        {
          expected: `at most ${buffer.byteLength}`,
        },
      )
    }
    return new arrayTypes[dtype](buffer, byteOffset, count)
  }

  #find(id: BufferId): ArrayBuffer {
    const buffer = this.#buffers.get(id)
    if (buffer !== undefined) return buffer
    if (Number.isSafeInteger(id) && id > 0 && id < this.#next) throw new DisposedError(`buffer ${id} was freed`)
    throw new OptionError(`no buffer ${String(id)} on this device`, { expected: 'an id that this device gave out' })
  }
}

function createBuffer(byteLength: number): ArrayBuffer {
  try {
    return new ArrayBuffer(byteLength)
  } catch (cause) {
    throw new RuntimeError(`cannot allocate ${byteLength} bytes`, { fix: 'free buffers, or use a smaller model or batch', cause })
  }
}
