import { createRng } from 'nextx'
import { packPrompts } from 'nextx/engine'
import { initialize, rmsNorm, rotary, swiglu, Transformer } from 'nextx/nn'
import { packed } from 'nextx/orders'
import type { Device } from 'nextx/platform'
import { compile, int32 } from 'nextx/tensor'

export const width = 256
const vocabularySize = 1000
const longest = 256

/** Rows of slots, `[row, slot]`: several sequences in one row have different segments, and padding is one of its own. */
interface Slots {
  readonly rows: number
  readonly length: number
  readonly ids: Int32Array
  readonly position: Int32Array
  readonly segment: Int32Array
}

/** Where the sequences lie: index of the call, and slot of the first id in it. */
interface Place {
  readonly call: number
  readonly start: number
}

/** How ragged sequences are fed. */
export interface Feeding {
  readonly calls: readonly Slots[]
  readonly places: readonly Place[]
  /** Slots of all calls. */
  readonly fed: number
}

type Sequences = readonly Int32Array[]

/** One row for each, as long as the longest. */
export function padded(sequences: Sequences): Feeding {
  const length = Math.max(...sequences.map((ids) => ids.length))
  return feeding(sequences, [{ length, rows: sequences.map((_, index) => [index]) }])
}

/** Rows as long as the longest sequence, filled with several. */
export function packedRows(sequences: Sequences): Feeding {
  const lengths = sequences.map((ids) => ids.length)
  const length = Math.max(...lengths)
  return feeding(sequences, [{ length, rows: packPrompts(lengths, length).map((row) => row.map(({ index }) => index)) }])
}

/** One call for each length rounded up to a multiple of `step`. */
export function bucketed(sequences: Sequences, step: number): Feeding {
  const buckets = new Map<number, number[]>()
  for (const [index, ids] of sequences.entries()) {
    const length = Math.ceil(ids.length / step) * step
    buckets.set(length, [...(buckets.get(length) ?? []), index])
  }
  return feeding(
    sequences,
    [...buckets].map(([length, members]) => ({ length, rows: members.map((index) => [index]) })),
  )
}

interface CallPlan {
  readonly length: number
  /** Sequences of each row. */
  readonly rows: readonly (readonly number[])[]
}

function feeding(sequences: Sequences, plans: readonly CallPlan[]): Feeding {
  const places: Place[] = []
  const calls = plans.map(({ length, rows }, call) => {
    const size = rows.length * length
    const slots = {
      rows: rows.length,
      length,
      ids: new Int32Array(size),
      position: new Int32Array(size),
      segment: new Int32Array(size),
    }
    for (const [row, members] of rows.entries()) {
      let start = row * length
      for (const [i, index] of members.entries()) {
        const ids = sequences[index]!
        slots.ids.set(ids, start)
        slots.position.set(
          ids.map((_, position) => position),
          start,
        )
        slots.segment.fill(i + 1, start, start + ids.length)
        places[index] = { call, start }
        start += ids.length
      }
    }
    return slots
  })
  return { calls, places, fed: calls.reduce((sum, { rows, length }) => sum + rows * length, 0) }
}

/** Hidden states of slots, of a network of width 256 with 4 layers and random weights. */
export async function openEncoder(device: Device) {
  const backbone = new Transformer({
    ...{ vocabularySize, context: longest, width, layers: 4, attention: { heads: 8 } },
    ...{ mlp: swiglu(688), norm: rmsNorm(), positions: rotary() },
  })
  await initialize(backbone, createRng(1))
  const { visibility } = packed([1]).plan({ parts: [{ shape: [1] }] })
  const program = compile(
    { ids: int32('B', 'T'), position: int32('B', 'T'), segment: int32('B', 'T'), group: int32(1, 'T') },
    ({ ids, position, segment, group }) => ({
      hidden: backbone.forward({ embedded: backbone.embed(ids, position), position, columns: { segment, group }, visibility })
        .hidden,
    }),
    { device, frozen: true },
  )
  const run = async ({ rows, length, ids, position, segment }: Slots): Promise<Float32Array> => {
    const shape = [rows, length] as const
    const column = (data: Int32Array) => ({ dtype: 'int32' as const, shape, data })
    const group = { dtype: 'int32' as const, shape: [1, length], data: Int32Array.from({ length }, (_, slot) => slot) }
    const { hidden } = await program.run({ ids: column(ids), position: column(position), segment: column(segment), group })
    return hidden.data as Float32Array
  }
  return async ({ calls }: Feeding): Promise<Float32Array[]> => {
    const results: Float32Array[] = []
    for (const call of calls) results.push(await run(call))
    return results
  }
}

/** The largest difference between the states of the sequences, fed in two ways. */
export function largestDifference(sequences: Sequences, a: [Feeding, Float32Array[]], b: [Feeding, Float32Array[]]): number {
  let worst = 0
  for (const [index, { length }] of sequences.entries()) {
    const states = ([{ places }, results]: [Feeding, Float32Array[]]) => {
      const { call, start } = places[index]!
      return results[call]!.subarray(start * width, (start + length) * width)
    }
    const [first, second] = [states(a), states(b)]
    for (let i = 0; i < first.length; i++) worst = Math.max(worst, Math.abs(first[i]! - second[i]!))
  }
  return worst
}
