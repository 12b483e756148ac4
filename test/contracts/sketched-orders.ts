import { type Channel, type Layout, type Plan, type Role, roles, sources } from '../../src/base/model.ts'
import { and, causal, or, type Rule, sink, streaming, twin, within } from '../../src/base/visibility.ts'
import { type Order, raster } from '../../src/orders/index.ts'

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

/** Noisy frames whose noisy states are themselves the history. */
export const noisyHistory = sketch('noisy history (ARFlow)', causal, (layout) =>
  upTo(sizeOf(layout)).map((at) => ({ role: 'noisy', group: Math.floor(at / 2) + 1, at, source: at, target: at })),
)

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
