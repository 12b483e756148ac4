import { type Channel, type Layout, type Plan, type Role, roles, sources } from '../../src/base/model.ts'
import { and, causal, everything, or, type Rule, sink, streaming, twin, within } from '../../src/base/visibility.ts'
import { type Order, raster } from '../../src/orders/index.ts'
import { hash } from './stub-network.ts'

/**
 * Orders of published systems, as short as can be. They do not ship; they show that plans, rules and steps hold what the systems need.
 */
interface SlotSketch {
  readonly role?: Role
  readonly group: number
  /** The value whose position the slot takes. */
  readonly at?: number
  readonly source: number | readonly number[]
  readonly target?: number | readonly number[]
}

function sketch(name: string, visibility: Rule, slotsOf: (layout: Layout) => readonly SlotSketch[]): Order {
  return { name, plan: (layout) => planOf(slotsOf(layout), visibility, layout) }
}

function planOf(slots: readonly SlotSketch[], visibility: Rule, layout: Layout): Plan {
  const width = Math.max(...slots.map(({ source, target = -1 }) => Math.max([source].flat().length, [target].flat().length)))
  const [first, ...channels] = Array.from({ length: width }, (_, index) => channelOf(slots, index))
  const position = raster().plan(layout).position
  return {
    ...first!,
    length: slots.length,
    role: Uint8Array.from(slots, ({ role = 'clean' }) => roles[role]),
    group: Int32Array.from(slots, ({ group }) => group),
    segment: new Int32Array(slots.length),
    position: position.map((axis) => Int32Array.from(slots, ({ at }) => (at === undefined ? -1 : axis[at]!))),
    parent: new Int32Array(slots.length).fill(-1),
    visibility,
    ...(channels.length > 0 ? { channels } : {}),
  }
}

function channelOf(slots: readonly SlotSketch[], index: number): Channel {
  const target = Int32Array.from(slots, ({ target = -1 }) => [target].flat()[index] ?? -1)
  return {
    source: Int32Array.from(slots, ({ source }) => [source].flat()[index] ?? sources.start),
    target,
    weight: Float32Array.from(target, (value) => Number(value >= 0)),
  }
}

/** The numbers 0 … count − 1. */
function upTo(count: number): number[] {
  return [...Array(count).keys()]
}

function sizeOf({ parts }: Layout): number {
  return parts.reduce((sum, { shape }) => sum + shape.reduce((product, size) => product * size, 1), 0)
}

/** Next scale: all values of a part at once, fed with features carried from the coarser parts. */
export const scales = sketch('scales (VAR)', causal, ({ parts }) => {
  let value = 0
  return parts.flatMap(({ shape }, scale) =>
    upTo(shape.reduce((product, size) => product * size, 1)).map(() => {
      const slot = { group: scale + 1, at: value, source: scale === 0 ? sources.start : sources.carried, target: value }
      value++
      return slot
    }),
  )
})

/** Masked sets: a random half is given, the rest predicted at once; all see all. */
export const masked = sketch('masked (MAR)', everything, (layout) =>
  upTo(sizeOf(layout)).map((at) =>
    hash(7, at) % 2 === 0
      ? { role: 'condition', group: 0, at, source: at }
      : { role: 'mask', group: 1, at, source: sources.maskToken, target: at },
  ),
)

/** Block diffusion: noisy blocks denoised in turn, each re-fed clean for the blocks after it. */
export function blockDiffusion(size: number): Order {
  return sketch('noisy blocks with clean copies (SDAR, ACDiT)', twin, (layout) => {
    const copies = (role: Role) => upTo(sizeOf(layout)).map((at) => ({ role, group: Math.floor(at / size) + 1, at, source: at }))
    return [...copies('noisy').map((slot) => ({ ...slot, target: slot.at })), ...copies('clean')]
  })
}

/** Noisy frames whose noisy states are themselves the history. */
export const noisyHistory = sketch('noisy history (ARFlow)', causal, (layout) =>
  upTo(sizeOf(layout)).map((at) => ({ role: 'noisy', group: Math.floor(at / 2) + 1, at, source: at, target: at })),
)

/** Any order: content slots and query slots in a fixed random permutation. */
export const permuted = sketch('two streams, permuted (SemAIM, any-subset)', twin, (layout) => {
  const order = upTo(sizeOf(layout)).sort((a, b) => hash(3, a) - hash(3, b))
  const queries = order.map((at, step) => ({ role: 'query' as const, group: step + 1, at, source: sources.query, target: at }))
  return [...queries, ...order.map((at, step) => ({ group: step + 1, at, source: at }))]
})

/** Codebook q runs q steps behind: parts are codebooks of equal length. */
export const delayed = sketch('delay pattern (RVQ codes)', causal, ({ parts }) => {
  const length = parts[0]!.shape[0]!
  const codeAt = (codebook: number, frame: number) => (frame >= 0 && frame < length ? codebook * length + frame : undefined)
  return upTo(length + parts.length - 1).map((step) => ({
    group: step + 1,
    source: parts.map((_, codebook) => codeAt(codebook, step - 1 - codebook) ?? sources.start),
    target: parts.map((_, codebook) => codeAt(codebook, step - codebook) ?? -1),
  }))
})

/** Next neighbour: diagonal after diagonal, each slot predicting to the right and below. */
export const neighbours = sketch('neighbours (NAR)', causal, ({ parts }) => {
  const [height, width] = parts[0]!.shape as [number, number]
  const inside = (y: number, x: number) => (y < height && x < width ? y * width + x : -1)
  const cells = upTo(height * width).map((at) => ({ y: Math.floor(at / width), x: at % width, at }))
  const slots = cells.map(({ y, x, at }) => ({ group: y + x + 1, at, source: at, target: [inside(y, x + 1), inside(y + 1, x)] }))
  return [{ role: 'condition', group: 0, source: sources.start, target: 0 }, ...slots.sort((a, b) => a.group - b.group)]
})

/** One causal stream, and drafts of the next `size` values from masks beside it; masks are a second channel. */
export function selfDrafts(size: number): Order {
  return sketch('causal stream with mask drafts (TiDAR)', twin, (layout) => {
    const count = sizeOf(layout)
    const stream = upTo(count).map((at) => ({ group: at + 1, at, source: [at === 0 ? sources.start : at - 1], target: [at] }))
    const drafts = upTo(count).map((at) => ({
      role: 'mask' as const,
      group: Math.floor(at / size) * size + 2,
      at,
      source: [sources.maskToken],
      target: [-1, at],
    }))
    return [...stream, ...drafts].sort((a, b) => a.group - b.group)
  })
}

/** Text with a window and sinks. */
export const streamed: Order = {
  name: 'window and sinks (streaming)',
  plan: (layout) => ({ ...raster().plan(layout), visibility: streaming(3, 1) }),
}

/** Frames [t, y, x], all of a frame at once, fed with the frame before; two frames of memory and the first one. */
export const frames = sketch('frames', and(causal, or(within(2, 0), sink(1, 0))), ({ parts }) => {
  const [count, height, width] = parts[0]!.shape as [number, number, number]
  return upTo(count * height * width).map((at) => {
    const frame = Math.floor(at / (height * width))
    return { group: frame + 1, at, source: frame === 0 ? sources.start : at - height * width, target: at }
  })
})
