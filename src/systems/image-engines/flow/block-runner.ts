import { canGrow } from '../../../nn/index.ts'
import type { Device } from '../../../platform/index.ts'
import { twice } from '../arms.ts'
import { BlockCache } from './block-cache.ts'
import { cachedProgram, growingProgram, wholeProgram } from './block-programs.ts'
import type { FlowBlock } from './flow-block.ts'
import type { GuidanceRule } from './guide-affine.ts'

/** What samples are inverted with, besides their noise. */
export interface Arms {
  /** One per sample. */
  readonly labels: Int32Array
  /** Guidance weight w ≥ 0 of each slot of the block, in its order; absent: none. */
  readonly weight?: Float32Array
  /** Default `affine`. */
  readonly rule?: GuidanceRule
}

/** Calls of a network so far, and for how many slots of how many rows each time. */
export interface Counts {
  calls: number
  slots: number
}

/** A block's map x' = μ(x) + σ(x)·z over host arrays `[sample, slot, dimension]`, in the block's order. */
export interface BlockMap {
  readonly slots: number
  readonly dimension: number
  /** x' of all slots. */
  whole(values: Float32Array, z: Float32Array, arms: Arms): Promise<Float32Array>
  /**
   * x' of slots `[start, start + length)` alone, `[sample, slot, dimension]`, seeing the ones before through the cache, which holds what
   * they were fed when they ran last. Samples that are not in `keep` leave theirs as it is.
   */
  some(
    values: Float32Array,
    z: Float32Array,
    range: { start: number; length: number },
    arms: Arms,
    keep?: Uint8Array,
  ): Promise<Float32Array>
}

/** Runs a block on a device, and counts. Programs are made when they are first needed, with the weights of that moment. */
export class BlockRunner implements BlockMap {
  readonly slots: number
  readonly dimension: number
  readonly #block: FlowBlock
  readonly #device: Device
  readonly #cache: BlockCache
  readonly #counts: Counts
  readonly #grows: boolean
  readonly #programs = new Map<string, { dispose(): Promise<void> }>()

  constructor(block: FlowBlock, device: Device, counts: Counts) {
    this.slots = block.slots
    this.dimension = block.dimension
    this.#block = block
    this.#device = device
    this.#counts = counts
    this.#cache = new BlockCache(block)
    this.#grows = device.info.boundOutputs && block.backbone.layers.every(({ self_attn }) => canGrow(self_attn.traits))
  }

  async whole(values: Float32Array, z: Float32Array, arms: Arms): Promise<Float32Array> {
    const { guidance, rows, ...conditions } = this.#rows(arms, { start: 0, length: this.slots })
    const program = this.#program(`whole ${guidance}`, () => wholeProgram(this.#block, { device: this.#device, guidance }))
    this.#count(rows, this.slots)
    const feeds = { values: doubled(values, guidance), z: doubled(z, guidance), ...conditions }
    return (await program.run(feeds)).next.data as Float32Array
  }

  async some(values: Float32Array, z: Float32Array, range: { start: number; length: number }, arms: Arms, keep?: Uint8Array) {
    const { guidance, rows, ...conditions } = this.#rows(arms, range)
    await this.#cache.reserve(this.#device, rows)
    this.#count(rows, range.length)
    const feeds = {
      fed: doubled(cut(values, this, { ...range, start: range.start - 1 }), guidance),
      z: doubled(cut(z, this, range), guidance),
      ...conditions,
      at: Int32Array.from({ length: range.length }, (_, i) => range.start + i),
    }
    if (this.#grows && (range.length === 1 || rows === 1)) return this.#grow(feeds, range, guidance)
    const program = this.#program(`some ${guidance}`, () =>
      cachedProgram(this.#block, this.#cache, { device: this.#device, guidance }),
    )
    const start = new Int32Array(rows).fill(range.start)
    const kept = (row: number) => (keep === undefined || keep[row % arms.labels.length] === 1 ? range.length : 0)
    const count = Int32Array.from({ length: rows }, (_, row) => kept(row))
    const { next } = await program.run({ ...feeds, start, count }, { rows: this.#cache.window(rows) })
    return next.data as Float32Array
  }

  async dispose(): Promise<void> {
    for (const program of this.#programs.values()) await program.dispose()
    await this.#cache.dispose()
  }

  async #grow(feeds: SlotFeeds, { start, length }: { start: number; length: number }, guidance: Guidance): Promise<Float32Array> {
    const program = this.#program(`grow ${guidance}`, () =>
      growingProgram(this.#block, this.#cache, { device: this.#device, guidance }),
    )
    const rows = feeds.labels.length
    const more = {
      last: new Int32Array(rows).fill(start + length - 1),
      total: Int32Array.of(start + length),
      before: Int32Array.from({ length: start }, (_, i) => i),
    }
    return (await program.run({ ...feeds, ...more }, { rows: this.#cache.window(rows) })).next.data as Float32Array
  }

  /** The rows of samples: with guidance, each a second time without its class. */
  #rows({ labels, weight, rule = 'affine' }: Arms, { start, length }: { start: number; length: number }) {
    const guidance: Guidance = weight !== undefined && this.#block.classes > 0 ? rule : 'none'
    const without = new Int32Array(guidance === 'none' ? 0 : labels.length).fill(this.#block.classes)
    const all = Int32Array.of(...labels, ...without)
    const arms = Int32Array.from({ length: 2 * labels.length }, (_, i) => i)
    return {
      guidance,
      rows: all.length,
      labels: all,
      weight: weight?.slice(start, start + length) ?? new Float32Array(length),
      arms,
    }
  }

  #count(rows: number, slots: number): void {
    this.#counts.calls++
    this.#counts.slots += rows * slots
  }

  #program<P extends { dispose(): Promise<void> }>(name: string, make: () => P): P {
    const program = (this.#programs.get(name) as P | undefined) ?? make()
    this.#programs.set(name, program)
    return program
  }
}

type Guidance = GuidanceRule | 'none'

type SlotFeeds = Readonly<Record<'fed' | 'z' | 'weight', Float32Array> & Record<'labels' | 'at' | 'arms', Int32Array>>

function doubled(values: Float32Array, guidance: Guidance): Float32Array {
  return guidance === 'none' ? values : twice(values)
}

/** Slots of every sample; before the first one lie zeros. */
function cut(
  values: Float32Array,
  { slots, dimension }: { readonly slots: number; readonly dimension: number },
  { start, length }: { readonly start: number; readonly length: number },
): Float32Array {
  const count = values.length / (slots * dimension)
  const out = new Float32Array(count * length * dimension)
  const first = Math.max(0, start)
  for (let sample = 0; sample < count; sample++) {
    const from = sample * slots
    out.set(
      values.subarray((from + first) * dimension, (from + start + length) * dimension),
      (sample * length + first - start) * dimension,
    )
  }
  return out
}
