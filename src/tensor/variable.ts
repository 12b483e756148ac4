import { arrayTypes, bytesPerElement, type DType, elementCount, type TypedArray } from '../base/dtype.ts'
import { DisposedError, GraphError, ShapeError } from '../base/errors.ts'
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
  readonly shape: readonly number[]
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
  #place: Place | undefined
  #binding: Promise<void> | undefined
  #updating = false
  #disposed = false

  constructor({ shape, dtype = 'float32', trainable = false, initializer, name = '' }: VariableOptions) {
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

  /** Replaces the values. `shape` is needed when the variable's own has symbolic sizes; it may differ from the last one. */
  async write(data: TypedArray, shape: readonly number[] = this.concreteShape): Promise<void> {
    this.#check(data, shape)
    const place = this.#place
    if (place === undefined) {
      this.#host = { shape, data: data.slice() }
      return
    }
    if (elementCount(place.shape) !== elementCount(shape)) return this.#move(place.device, data, shape)
    this.#place = { ...place, shape }
    await place.device.write(this.#view(place.front), data)
  }

  /** A copy of the current values. */
  async read(): Promise<TypedArray> {
    if (this.#disposed) throw new DisposedError(`variable ${this.label} was disposed`)
    if (this.#place !== undefined) return this.#place.device.read(this.#view(this.#place.front))
    return this.#host?.data.slice() ?? this.#zeros()
  }

  /** Puts the values on a device, where they stay. */
  async bind(device: Device): Promise<void> {
    if (this.#disposed) throw new DisposedError(`variable ${this.label} was disposed`)
    if (this.#place?.device === device) return
    if (this.#place !== undefined) {
      throw new GraphError(`variable ${this.label} lives on another device`, {
        fix: 'use one device for all programs that share variables',
      })
    }
    this.#binding ??= this.#move(device, this.#host?.data, this.concreteShape).finally(() => {
      this.#binding = undefined
    })
    await this.#binding
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
    if (this.#updating)
      throw new GraphError(`variable ${this.label} is being assigned by another program`, { fix: 'await that run first' })
    this.#updating = true
    if (inPlace) return this.#view(place.front)
    place.back ??= await place.device.allocate(this.#byteLength(place.shape))
    return this.#view(place.back)
  }

  /** Makes the second buffer, if it was written, the current value. */
  endUpdate({ swap }: { readonly swap: boolean }): void {
    this.#updating = false
    const place = this.#place
    if (swap && place?.back !== undefined) [place.front, place.back] = [place.back, place.front]
  }

  /** Frees the values. */
  async dispose(): Promise<void> {
    this.#disposed = true
    this.#host = undefined
    await this.#release()
  }

  /** Buffers are born filled with zeros: without data there is nothing to write. */
  async #move(device: Device, data: TypedArray | undefined, shape: readonly number[]): Promise<void> {
    await this.#release()
    this.#host = undefined
    const front = await device.allocate(this.#byteLength(shape))
    this.#place = { device, shape, front, back: undefined }
    if (data !== undefined) await device.write(this.#view(front), data)
  }

  async #release(): Promise<void> {
    const place = this.#place
    this.#place = undefined
    if (place === undefined) return
    await place.device.free(place.front)
    if (place.back !== undefined) await place.device.free(place.back)
  }

  #view(buffer: BufferId): DeviceView {
    return { buffer, dtype: this.dtype, shape: this.#requirePlace().shape, byteOffset: 0 }
  }

  #requirePlace(): Place {
    if (this.#disposed) throw new DisposedError(`variable ${this.label} was disposed`)
    if (this.#place === undefined) throw new GraphError(`variable ${this.label} is on no device`, { fix: 'bind() it first' })
    return this.#place
  }

  #byteLength(shape: readonly number[]): number {
    return elementCount(shape) * bytesPerElement[this.dtype]
  }

  #zeros(): TypedArray {
    return new arrayTypes[this.dtype](elementCount(this.concreteShape))
  }

  #check(data: TypedArray, shape: readonly number[]): void {
    if (this.#disposed) throw new DisposedError(`variable ${this.label} was disposed`)
    const fits =
      shape.length === this.shape.length &&
      this.shape.every((dimension, axis) => typeof dimension !== 'number' || dimension === shape[axis])
    if (!fits)
      throw new ShapeError(`[${shape.join(', ')}] does not fit variable ${this.label}`, { expected: formatShape(this.shape) })
    if (!(data instanceof arrayTypes[this.dtype]) || data.length !== elementCount(shape)) {
      throw new ShapeError(`${data.constructor.name}(${data.length}) does not fit variable ${this.label}`, {
        expected: `${arrayTypes[this.dtype].name}(${elementCount(shape)})`,
      })
    }
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
