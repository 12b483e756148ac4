import { arrayTypes, bytesPerElement, type HostTensor, type TypedArray } from '../base/dtype.ts'
import { GraphError } from '../base/errors.ts'
import type { Device, DeviceView } from '../platform/device.ts'
import { type Variable, variable } from '../tensor/index.ts'
import type { CacheStorage } from './cache-storage.ts'

/** What one layer keeps of a slot. */
export interface LayerLayout {
  readonly keyValueHeads: number
  readonly headWidth: number
}

/** One layer's keys and values: a variable `[row, kvHead, capacity, width]` per part of the storage. */
export interface CacheLayer {
  readonly key: readonly Variable[]
  readonly value: readonly Variable[]
}

export interface CacheSettings {
  readonly device: Device
  readonly layouts: readonly LayerLayout[]
  readonly storage: CacheStorage
  /** Slots that every row has room for at first. Rooms that nothing was written to cost no memory where the system gives pages lazily. */
  readonly capacity: number
  /** Rows in use and how many of their slots hold something: what is carried over when the cache grows. */
  readonly held: () => Iterable<{ readonly row: number; readonly used: number }>
}

/** Capacities are multiples of this. */
export const capacityStep = 64

/** Keys and values of many rows. Owns the rows and their room, knows nothing of tokens. */
export class KeyValueCache {
  readonly layers: readonly CacheLayer[]
  readonly #settings: CacheSettings
  readonly #variables: readonly Variable[]
  readonly #free: number[] = []
  #rows = 0
  #capacity: number

  constructor(settings: CacheSettings) {
    const { layouts, storage, capacity } = settings
    const make = (kind: string, { keyValueHeads, headWidth }: LayerLayout, layer: number) =>
      storage.parts.map(({ dtype, width }, part) =>
        variable({ name: `cache.${layer}.${kind}.${part}`, dtype, shape: ['B', keyValueHeads, 'C', width(headWidth)] }),
      )
    this.#settings = settings
    this.#capacity = roundUp(capacity)
    this.layers = layouts.map((layout, i) => ({ key: make('key', layout, i), value: make('value', layout, i) }))
    this.#variables = this.layers.flatMap(({ key, value }) => [...key, ...value])
  }

  get capacity(): number {
    return this.#capacity
  }

  /** Rows that there is room for. */
  get rows(): number {
    return this.#rows
  }

  /** Bytes that one slot takes over all layers. */
  get slotBytes(): number {
    const widths = this.#variables.map(({ shape, dtype }) => (shape[1] as number) * (shape[3] as number) * bytesPerElement[dtype])
    return widths.reduce((total, bytes) => total + bytes, 0)
  }

  /** All variables, for a run on some rows. */
  window(start: number, count: number): Map<Variable, { start: number; count: number }> {
    return new Map(this.#variables.map((each) => [each, { start, count }]))
  }

  /** The index of a free row; its old contents are to be masked. */
  async take(): Promise<number> {
    if (this.#free.length === 0) await this.#resize(Math.max(1, 2 * this.#rows), this.#capacity)
    return this.#free.shift()!
  }

  /** A given row. Throws GraphError when it is not free. */
  takeRow(row: number): void {
    const place = this.#free.indexOf(row)
    if (place < 0) throw new GraphError(`row ${row} of the cache is taken`)
    this.#free.splice(place, 1)
  }

  give(row: number): void {
    this.#free.push(row)
    this.#free.sort((a, b) => a - b)
  }

  /** Makes room for `length` slots in every row. */
  async reserve(length: number): Promise<void> {
    if (length > this.#capacity) await this.#resize(this.#rows, roundUp(length))
  }

  /** Copies slots of a row to a place in a row; within one row, to an earlier place or one that does not overlap. */
  async copySlots(from: { row: number; slot: number }, to: { row: number; slot: number }, count: number): Promise<void> {
    if (count === 0 || (from.row === to.row && from.slot === to.slot)) return
    const strips = this.#variables.flatMap((each) => {
      const view = each.frontView()
      const heads = view.shape[1]!
      return Array.from({ length: heads }, (_, head) => [strip(view, from, head, count), strip(view, to, head, count)] as const)
    })
    await Promise.all(strips.map(([source, target]) => this.#settings.device.copy(source, target)))
  }

  /** Moves slots of one row: slot `from[i]` to slot `to + i`. `from` must increase and never lie before its target. */
  async moveSlots(row: number, from: readonly number[], to: number): Promise<void> {
    for (const [i, slot] of from.entries()) await this.copySlots({ row, slot }, { row, slot: to + i }, 1)
  }

  /** What `readRow` of so many slots gives, without the data. */
  describeRow(count: number): Map<string, Omit<HostTensor, 'data'>> {
    return new Map(
      this.#variables.map(({ name, dtype, shape }) => [name, { dtype, shape: [shape[1] as number, count, shape[3] as number] }]),
    )
  }

  /** The first slots of a row: `[kvHead, slot, width]` by the variable's name. */
  async readRow(row: number, count: number): Promise<Map<string, HostTensor>> {
    const tensors = new Map<string, HostTensor>()
    for (const each of this.#variables) {
      const data = await this.#read(each, { row, slot: 0 }, count)
      tensors.set(each.name, { dtype: each.dtype, shape: [each.shape[1] as number, count, each.shape[3] as number], data })
    }
    return tensors
  }

  /** Writes what `readRow` gave over the first slots of a row. */
  async writeRow(row: number, count: number, dataOf: (name: string) => TypedArray): Promise<void> {
    for (const each of this.#variables) await this.#write(each, { row, slot: 0 }, count, dataOf(each.name))
  }

  /** Keys of neighbouring slots of one layer, `[1, kvHead, slot, headWidth]`. Of float32 caches only. */
  async readKeys(layer: number, row: number, slot: number, count: number): Promise<HostTensor> {
    const [variable] = this.layers[layer]!.key
    const { dtype, shape } = variable!
    return {
      dtype,
      shape: [1, shape[1] as number, count, shape[3] as number],
      data: await this.#read(variable!, { row, slot }, count),
    }
  }

  async writeKeys(layer: number, row: number, slot: number, count: number, data: TypedArray): Promise<void> {
    await this.#write(this.layers[layer]!.key[0]!, { row, slot }, count, data)
  }

  async dispose(): Promise<void> {
    for (const each of this.#variables) await each.dispose()
  }

  async #read(variable: Variable, from: { row: number; slot: number }, count: number): Promise<TypedArray> {
    const view = variable.frontView()
    const [, heads, , width] = view.shape as [number, number, number, number]
    const data: TypedArray = new arrayTypes[variable.dtype](heads * count * width)
    for (let head = 0; head < heads && count > 0; head++)
      data.set((await this.#settings.device.read(strip(view, from, head, count))) as never, head * count * width)
    return data
  }

  async #write(variable: Variable, to: { row: number; slot: number }, count: number, data: TypedArray): Promise<void> {
    const view = variable.frontView()
    const [, heads, , width] = view.shape as [number, number, number, number]
    const size = count * width
    for (let head = 0; head < heads && count > 0; head++)
      await this.#settings.device.write(strip(view, to, head, count), data.subarray(head * size, (head + 1) * size))
  }

  /** All rooms are made before any is used, so that a failure changes nothing. */
  async #resize(rows: number, capacity: number): Promise<void> {
    const { device } = this.#settings
    const prepared: Awaited<ReturnType<Variable['prepareResize']>>[] = []
    try {
      for (const each of this.#variables) {
        const [, heads, , width] = each.shape as readonly number[]
        prepared.push(await each.prepareResize(device, [rows, heads!, capacity, width!], (from, to) => this.#carry(from, to)))
      }
    } catch (error) {
      for (const { abandon } of prepared) await abandon()
      throw error
    }
    for (const { commit } of prepared) await commit()
    for (let row = this.#rows; row < rows; row++) this.#free.push(row)
    this.#rows = rows
    this.#capacity = capacity
  }

  async #carry(from: DeviceView, to: DeviceView): Promise<void> {
    const strips = [...this.#settings.held()].flatMap(({ row, used }) =>
      used === 0
        ? []
        : Array.from(
            { length: from.shape[1]! },
            (_, head) => [strip(from, { row, slot: 0 }, head, used), strip(to, { row, slot: 0 }, head, used)] as const,
          ),
    )
    await Promise.all(strips.map(([source, target]) => this.#settings.device.copy(source, target)))
  }
}

function roundUp(length: number): number {
  return Math.ceil(length / capacityStep) * capacityStep
}

/** Neighbouring slots of one head of one row. */
function strip(view: DeviceView, { row, slot }: { row: number; slot: number }, head: number, count: number): DeviceView {
  const [, heads, capacity, width] = view.shape as [number, number, number, number]
  const start = ((row * heads + head) * capacity + slot) * width
  return { ...view, byteOffset: view.byteOffset + bytesPerElement[view.dtype] * start, shape: [count, width] }
}
