import { elementCount } from '../base/dtype.ts'
import type { Device, DeviceView } from '../platform/device.ts'
import { type Variable, variable } from '../tensor/index.ts'

/** What one layer keeps of a slot. */
export interface LayerLayout {
  readonly keyValueHeads: number
  readonly headWidth: number
}

/** Slots are added this many at a time. */
const capacityStep = 64

/**
 * Keys and values of many rows, one variable `[row, kvHead, capacity, headWidth]` per layer and kind. Owns the rows and their
 * room, knows nothing of tokens.
 */
export class KeyValueCache {
  readonly keys: readonly Variable[]
  readonly values: readonly Variable[]
  readonly #device: Device
  readonly #layouts: readonly LayerLayout[]
  readonly #free: number[] = []
  #rows = 0
  #capacity = capacityStep

  constructor(device: Device, layouts: readonly LayerLayout[]) {
    const make =
      (kind: string) =>
      ({ keyValueHeads, headWidth }: LayerLayout, layer: number) =>
        variable({ name: `cache.${layer}.${kind}`, shape: ['B', keyValueHeads, 'C', headWidth] })
    this.#device = device
    this.#layouts = layouts
    this.keys = layouts.map(make('key'))
    this.values = layouts.map(make('value'))
  }

  get capacity(): number {
    return this.#capacity
  }

  /** Rows in use. */
  get used(): number {
    return this.#rows - this.#free.length
  }

  /** Bytes of all rows, used or not. */
  get bytes(): number {
    const perLayer = this.#layouts.map((layout) => elementCount(shapeOf(layout, this.#rows, this.#capacity)))
    return 2 * 4 * perLayer.reduce((total, count) => total + count, 0)
  }

  /** The index of a free row; its old contents are to be masked. */
  async take(): Promise<number> {
    if (this.#free.length === 0) await this.#resize(Math.max(1, 2 * this.#rows), this.#capacity)
    return this.#free.shift()!
  }

  give(row: number): void {
    this.#free.push(row)
    this.#free.sort((a, b) => a - b)
  }

  /** Makes room for `length` slots in every row. */
  async reserve(length: number): Promise<void> {
    if (length > this.#capacity) await this.#resize(this.#rows, Math.ceil(length / capacityStep) * capacityStep)
  }

  /** Copies a whole row over another. */
  async copyRow(from: number, to: number): Promise<void> {
    const part = (view: DeviceView, row: number) => window(view, row * elementCount(view.shape.slice(1)), view.shape.slice(1))
    await this.#copyEach((view) => [[part(view, from), part(view, to)]])
  }

  /** Moves slots of one row: slot `from[i]` to slot `to + i`. `from` must increase and never lie before its target. */
  async moveSlots(row: number, from: readonly number[], to: number): Promise<void> {
    const moved = from.map((source, i) => [source, to + i] as const).filter(([source, target]) => source !== target)
    await this.#copyEach((view) => {
      const [, heads, , width] = view.shape as [number, number, number, number]
      const slot = (head: number, at: number) => window(view, ((row * heads + head) * this.#capacity + at) * width, [width])
      const everyHead = Array.from({ length: heads }, (_, head) => head)
      return moved.flatMap(([source, target]) => everyHead.map((head) => [slot(head, source), slot(head, target)] as const))
    })
  }

  async dispose(): Promise<void> {
    for (const each of this.#variables) await each.dispose()
  }

  get #variables(): readonly Variable[] {
    return [...this.keys, ...this.values]
  }

  async #copyEach(pairs: (view: DeviceView) => readonly (readonly [DeviceView, DeviceView])[]): Promise<void> {
    const copies = this.#variables.flatMap((each) => pairs(each.frontView()).map(([from, to]) => this.#device.copy(from, to)))
    await Promise.all(copies)
  }

  async #resize(rows: number, capacity: number): Promise<void> {
    for (const [i, each] of this.#variables.entries()) {
      const layout = this.#layouts[i % this.#layouts.length]!
      const [before, after] = [shapeOf(layout, this.#rows, this.#capacity), shapeOf(layout, rows, capacity)]
      const old = this.#rows === 0 ? new Float32Array(0) : ((await each.read()) as Float32Array)
      await each.write(widened(old, before, after), after)
      await each.bind(this.#device)
    }
    for (let row = this.#rows; row < rows; row++) this.#free.push(row)
    this.#rows = rows
    this.#capacity = capacity
  }
}

function shapeOf({ keyValueHeads, headWidth }: LayerLayout, rows: number, capacity: number): number[] {
  return [rows, keyValueHeads, capacity, headWidth]
}

/** The same values in a larger `[row, head, capacity, width]` array. */
function widened(values: Float32Array, before: readonly number[], after: readonly number[]): Float32Array {
  const [rows, heads, capacity, width] = before as [number, number, number, number]
  const wide = after[2]! * width
  const narrow = capacity * width
  const result = new Float32Array(elementCount(after))
  for (let line = 0; line < rows * heads; line++) result.set(values.subarray(line * narrow, (line + 1) * narrow), line * wide)
  return result
}

function window(view: DeviceView, start: number, shape: readonly number[]): DeviceView {
  return { ...view, byteOffset: view.byteOffset + 4 * start, shape }
}
