import type { ByteRange } from '../base/byte-source.ts'
import { arrayTypes, bytesPerElement, type DType, elementCount, type TypedArray } from '../base/dtype.ts'
import { DisposedError, GraphError, ShapeError } from '../base/errors.ts'
import { refuseUnknown } from '../base/options.ts'
import type { Rng } from '../base/rng.ts'
import type { BufferId, Device, DeviceView } from '../platform/device.ts'
import { formatShape, type Shape, type SymbolicDimension, toDimension } from './dimension.ts'
import { variableLeaf } from './ops/leaf.ts'
import type { Tensor } from './tensor.ts'

/** First values of a variable, from explicit randomness. */
export type Initializer = (shape: readonly number[], rng: Rng) => Float32Array

export interface VariableOptions {
  readonly shape: readonly (number | string | SymbolicDimension)[]
  readonly dtype?: DType
  /** Trained by optimizers. Default false: plain state. */
  readonly trainable?: boolean
  readonly initializer?: Initializer
  readonly name?: string
}

interface Place {
  readonly device: Device
  shape: readonly number[]
  front: BufferId
  back: BufferId | undefined
}

/**
 * The one concept of state: a buffer that programs read (its `tensor`) and assign. Weights, optimizer moments, averages and caches
 * are variables. Its values live in host memory until a program first uses it, then on that program's device.
 */
export class Variable {
  readonly dtype: DType
  readonly shape: Shape
  readonly trainable: boolean
  /** A trainable variable that is to keep its values for now: no parameter until it is set back. */
  frozen = false
  readonly initializer: Initializer | undefined
  /** The current value, as a leaf of traced programs. */
  readonly tensor: Tensor
  /** Dotted path in its model, once named; shown in errors and exported graphs. */
  name: string
  #host: { shape: readonly number[]; data: TypedArray } | undefined
  /** Where the values lie while they are neither in memory nor on a device. */
  #range: ByteRange | undefined
  #place: Place | undefined
  #binding: Promise<void> | undefined
  #updating = false
  #disposed = false

  constructor(options: VariableOptions) {
    refuseUnknown(options, ['shape', 'dtype', 'trainable', 'initializer', 'name'], 'variable')
    const { shape, dtype = 'float32', trainable = false, initializer, name = '' } = options
    if (!Array.isArray(shape)) throw new ShapeError(`variable ${name} has no shape`, { expected: 'an array of sizes' })
    this.dtype = dtype
    this.shape = shape.map(toDimension)
    this.trainable = trainable
    this.initializer = initializer
    this.name = name
    this.tensor = variableLeaf(this, dtype, this.shape)
  }

  /** The concrete shape: static, or as last written. Throws ShapeError while a symbolic size is unknown. */
  get concreteShape(): readonly number[] {
    const known = this.#place?.shape ?? this.#host?.shape
    if (known !== undefined) return known
    if (this.shape.every((dimension) => typeof dimension === 'number')) return this.shape as readonly number[]
    throw new ShapeError(`variable ${this.label} ${formatShape(this.shape)} has no sizes yet`, {
      fix: 'write() values with their shape first',
    })
  }

  get label(): string {
    return this.name === '' ? '(unnamed)' : this.name
  }

  /**
   * Replaces the values. `shape` is needed when the variable's own has symbolic sizes; it may differ from the last one. `data` must not
   * be changed before the promise is fulfilled. Throws ShapeError, DisposedError, or GraphError while a program assigns the variable.
   */
  async write(data: TypedArray, shape: readonly number[] = this.concreteShape): Promise<void> {
    this.#check(data, shape)
    // The running program would put its own value over this one.
    this.#refuseUpdating()
    const place = this.#place
    if (place === undefined) {
      this.#host = { shape: [...shape], data: data.slice() }
      this.#range = undefined
      return
    }
    if (elementCount(place.shape) !== elementCount(shape)) return this.#move(place.device, data, [...shape])
    place.shape = [...shape]
    await place.device.write(this.#view(place.front), data)
  }

  /**
   * Takes on values that stay where they are, little-endian as `write` takes them, until they are needed: for weights that the runtime is to
   * map by itself. The source must live as long as the variable.
   */
  attach(range: ByteRange): void {
    this.#refuseDisposed()
    this.#refuseUpdating()
    if (this.#place !== undefined) throw new GraphError(`variable ${this.label} is on a device already`, { fix: 'write() it' })
    if (range.byteLength !== this.#byteLength(this.concreteShape))
      throw new ShapeError(`${range.byteLength} bytes do not fit variable ${this.label}`, { expected: formatShape(this.shape) })
    this.#host = undefined
    this.#range = range
  }

  /** Where attached values lie that were not needed yet. */
  get range(): ByteRange | undefined {
    return this.#range
  }

  /** A copy of the current values. Throws GraphError when a parameter has none yet. */
  async read(): Promise<TypedArray> {
    this.#refuseDisposed()
    if (this.#place !== undefined) return this.#place.device.read(this.#view(this.#place.front))
    if (this.#range !== undefined) return this.#readRange(this.#range)
    return this.#host?.data.slice() ?? this.#zeros()
  }

  /** Puts the values on a device, where they stay. */
  async bind(device: Device): Promise<void> {
    this.#refuseDisposed()
    if (this.#place === undefined) {
      this.#binding ??= this.#moveFirst(device).finally(() => {
        this.#binding = undefined
      })
      await this.#binding
    }
    if (this.#requirePlace().device === device) return
    throw new GraphError(`variable ${this.label} lives on another device`, {
      fix: 'use one device for all programs that share variables',
    })
  }

  /** The buffer that holds the current value. */
  frontView(): DeviceView {
    return this.#view(this.#requirePlace().front)
  }

  /**
   * Where a run writes the next value: over the current one, or into a second buffer. Until `endUpdate`, no other program may assign
   * this variable: throws GraphError.
   */
  async beginUpdate({ inPlace }: { readonly inPlace: boolean }): Promise<DeviceView> {
    const place = this.#requirePlace()
    this.#refuseUpdating()
    this.#updating = true
    if (inPlace) return this.#view(place.front)
    try {
      place.back ??= await place.device.allocate(this.#byteLength(place.shape))
      return this.#view(place.back)
    } catch (error) {
      this.#updating = false
      throw error
    }
  }

  /** Makes the second buffer, if it was written, the current value. */
  endUpdate({ swap }: { readonly swap: boolean }): void {
    this.#updating = false
    const place = this.#place
    if (swap && place?.back !== undefined) [place.front, place.back] = [place.back, place.front]
  }

  /**
   * Room of another shape on a device: zeros, over which `carry` copies what is to stay of the old room, if there was one. Nothing changes until
   * `commit`. Throws what `write` throws, and what the device does when it has no room.
   */
  async prepareResize(
    device: Device,
    shape: readonly number[],
    carry: (from: DeviceView, to: DeviceView) => Promise<void>,
  ): Promise<{ commit(): Promise<void>; abandon(): Promise<void> }> {
    this.#refuseDisposed()
    this.#refuseUpdating()
    this.#checkShape(shape)
    const former = this.#place
    const front = await device.allocate(this.#byteLength(shape))
    const next: Place = { device, shape: [...shape], front, back: undefined }
    try {
      if (former !== undefined) await carry(this.#view(former.front), this.#viewOf(next))
    } catch (error) {
      await device.free(front)
      throw error
    }
    const commit = async () => {
      this.#place = next
      this.#host = undefined
      this.#range = undefined
      if (former !== undefined) await release(former)
    }
    return { commit, abandon: () => release(next) }
  }

  /** Frees the values. Disposing twice, or after the device, is allowed. */
  async dispose(): Promise<void> {
    this.#disposed = true
    this.#host = undefined
    this.#range = undefined
    const place = this.#place
    this.#place = undefined
    if (place !== undefined) await release(place)
  }

  async #moveFirst(device: Device): Promise<void> {
    if (this.#range !== undefined) return this.#move(device, await this.#readRange(this.#range), this.concreteShape)
    // Buffers are born filled with zeros: without data there is nothing to write.
    if (this.#host === undefined) this.#refuseEmpty()
    return this.#move(device, this.#host?.data, this.concreteShape)
  }

  /** Bytes of a file may begin at any place in memory: a copy begins where arrays may. */
  async #readRange({ source, byteOffset, byteLength }: ByteRange): Promise<TypedArray> {
    const bytes = await source.read(byteOffset, byteLength)
    return new arrayTypes[this.dtype](bytes.slice().buffer)
  }

  /** Where the device refuses, the values stay as they were. */
  async #move(device: Device, data: TypedArray | undefined, shape: readonly number[]): Promise<void> {
    const front = await device.allocate(this.#byteLength(shape))
    if (data !== undefined) await device.write({ buffer: front, dtype: this.dtype, shape, byteOffset: 0 }, data)
    const former = this.#place
    this.#place = { device, shape, front, back: undefined }
    this.#host = undefined
    this.#range = undefined
    if (former !== undefined) await release(former)
    if (this.#disposed) await this.dispose()
  }

  #view(buffer: BufferId): DeviceView {
    return { ...this.#viewOf(this.#requirePlace()), buffer }
  }

  #viewOf({ shape, front }: Place): DeviceView {
    return { buffer: front, dtype: this.dtype, shape, byteOffset: 0 }
  }

  #refuseDisposed(): void {
    if (this.#disposed) throw new DisposedError(`variable ${this.label} was disposed`)
  }

  #refuseUpdating(): void {
    if (this.#updating)
      throw new GraphError(`variable ${this.label} is being assigned by a program`, { fix: 'await that run first' })
  }

  /** State starts with zeros, a parameter with what its initializer or a checkpoint gives. */
  #refuseEmpty(): void {
    if (this.initializer === undefined) return
    throw new GraphError(`parameter ${this.label} has no values yet`, { fix: 'initialize() its module or load weights first' })
  }

  #requirePlace(): Place {
    this.#refuseDisposed()
    if (this.#place === undefined) throw new GraphError(`variable ${this.label} is on no device`, { fix: 'bind() it first' })
    return this.#place
  }

  #byteLength(shape: readonly number[]): number {
    return elementCount(shape) * bytesPerElement[this.dtype]
  }

  #zeros(): TypedArray {
    this.#refuseEmpty()
    return new arrayTypes[this.dtype](elementCount(this.concreteShape))
  }

  #checkShape(shape: readonly number[]): void {
    const fits =
      shape.length === this.shape.length &&
      this.shape.every((dimension, axis) => typeof dimension !== 'number' || dimension === shape[axis])
    if (!fits)
      throw new ShapeError(`[${shape.join(', ')}] does not fit variable ${this.label}`, { expected: formatShape(this.shape) })
  }

  #check(data: TypedArray, shape: readonly number[]): void {
    this.#refuseDisposed()
    this.#checkShape(shape)
    if (!(data instanceof arrayTypes[this.dtype]) || data.length !== elementCount(shape)) {
      throw new ShapeError(`${data.constructor.name}(${data.length}) does not fit variable ${this.label}`, {
        expected: `${arrayTypes[this.dtype].name}(${elementCount(shape)})`,
      })
    }
  }
}

/** A device that is gone has freed its buffers already. */
async function release({ device, front, back }: Place): Promise<void> {
  try {
    await device.free(front)
    if (back !== undefined) await device.free(back)
  } catch (error) {
    if (!(error instanceof DisposedError)) throw error
  }
}

/** State that programs assign and optimizers leave alone. */
export function variable(options: VariableOptions): Variable {
  return new Variable(options)
}

/** A trainable float32 variable. */
export function parameter(shape: readonly number[], initializer: Initializer): Variable {
  return new Variable({ shape, initializer, trainable: true })
}
