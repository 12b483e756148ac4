import type { HostTensor, TypedArray } from '../base/dtype.ts'
import type { Device, DeviceView } from '../platform/device.ts'
import { type Variable, variable } from '../tensor/index.ts'

/** Rows of one size on a device, taken and given back: states of recurrent networks. */
export class RowStore {
  /** float32 `[row, size]`. */
  readonly variable: Variable
  readonly #device: Device
  readonly #size: number
  readonly #free: number[] = []
  #rows = 0

  constructor(device: Device, size: number) {
    this.#device = device
    this.#size = size
    this.variable = variable({ name: 'state', shape: ['B', size] })
  }

  /** Of all rows, taken or not. */
  get bytes(): number {
    return 4 * this.#rows * this.#size
  }

  /** The index of a free row, with zeros in it. */
  async take(): Promise<number> {
    if (this.#free.length === 0) await this.#grow(Math.max(1, 2 * this.#rows))
    const row = this.#free.shift()!
    await this.clear(row)
    return row
  }

  give(row: number): void {
    this.#free.push(row)
    this.#free.sort((a, b) => a - b)
  }

  async clear(row: number): Promise<void> {
    await this.#device.write(this.#rowOf(this.variable.frontView(), row), new Float32Array(this.#size))
  }

  async copy(from: number, to: number): Promise<void> {
    const view = this.variable.frontView()
    await this.#device.copy(this.#rowOf(view, from), this.#rowOf(view, to))
  }

  async read(row: number): Promise<HostTensor> {
    return { dtype: 'float32', shape: [this.#size], data: await this.#device.read(this.#rowOf(this.variable.frontView(), row)) }
  }

  async write(row: number, data: TypedArray): Promise<void> {
    await this.#device.write(this.#rowOf(this.variable.frontView(), row), data)
  }

  dispose(): Promise<void> {
    return this.variable.dispose()
  }

  async #grow(rows: number): Promise<void> {
    const carry = (from: DeviceView, to: DeviceView) => this.#device.copy(from, { ...to, shape: from.shape })
    const { commit } = await this.variable.prepareResize(this.#device, [rows, this.#size], carry)
    await commit()
    for (let row = this.#rows; row < rows; row++) this.#free.push(row)
    this.#rows = rows
  }

  #rowOf(view: DeviceView, row: number): DeviceView {
    return { ...view, shape: [this.#size], byteOffset: view.byteOffset + 4 * row * this.#size }
  }
}
