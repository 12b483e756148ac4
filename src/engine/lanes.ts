import { binPack } from '../base/bin-pack.ts'
import type { ExtendOptions, Extension } from '../decode/stepper.ts'
import type { CachedState } from './cached-state.ts'
import { depthsOf, hiddenRequest, parentsOf, treeColumns } from './extension.ts'

export type CachedExtension = Extension<CachedState>

/** What one row of the cache is fed in one call: the slots of one extension, or of several prompts packed one behind the other. */
export interface Lane {
  readonly row: number
  /** Committed slots of the row, which all fed slots see. */
  readonly start: number
  readonly tokens: readonly number[]
  /** A forest: index among `tokens` of each slot's parent, -1 for roots. */
  readonly parents: readonly number[]
  readonly pieces: readonly Piece[]
}

/** Where an extension's slots lie in its lane. */
export interface Piece {
  readonly extension: CachedExtension
  readonly offset: number
}

export function laneOf(extension: CachedExtension): Lane {
  const { state, tokens, parents } = extension
  return {
    row: state.row,
    start: state.length,
    tokens: Array.from(tokens),
    parents: parentsOf(tokens.length, parents),
    pieces: [{ extension, offset: 0 }],
  }
}

/**
 * Prompts of empty states as roots of one forest in the first one's row: no padding is computed, and none sees another. Their slots are
 * to be copied to their own rows. Zhao et al. 2024, Prepacking.
 */
export function packedLane(extensions: readonly CachedExtension[]): Lane {
  const tokens: number[] = []
  const parents: number[] = []
  const pieces: Piece[] = []
  for (const extension of extensions) {
    const offset = tokens.length
    pieces.push({ extension, offset })
    tokens.push(...Array.from(extension.tokens))
    for (const parent of parentsOf(extension.tokens.length, extension.parents)) parents.push(parent < 0 ? -1 : parent + offset)
  }
  return { row: extensions[0]!.state.row, start: 0, tokens, parents, pieces }
}

/** Lanes of at most `capacity` tokens, longest prompts first; a prompt that is longer has one of its own. */
export function packLanes(extensions: readonly CachedExtension[], capacity: number): Lane[] {
  const lengths = extensions.map(({ tokens }) => tokens.length)
  const room = Math.min(
    capacity,
    lengths.reduce((total, length) => total + length, 0),
  )
  const sizes = Int32Array.from(lengths, (length) => Math.min(length, room))
  return binPack(sizes, room).map((members) => packedLane(members.map((index) => extensions[index]!)))
}

const matrix = (data: Int32Array, shape: readonly number[]) => ({ dtype: 'int32' as const, shape, data })

/** What every decoder program is fed of its lanes, `[lane, slot]`, padded to the longest: no real slot sees padding. */
export function slotFeeds(lanes: readonly Lane[], options: Pick<ExtendOptions, 'logits' | 'hidden'>) {
  const width = Math.max(...lanes.map(({ tokens }) => tokens.length))
  const size = lanes.length * width
  const [ids, position, enter, exit] = [new Int32Array(size), new Int32Array(size), new Int32Array(size), new Int32Array(size)]
  const [wanted, shown]: [number[], number[]] = [[], []]
  const hidden = hiddenRequest(options)?.slots ?? 'none'
  for (const [i, { tokens, parents, start, pieces }] of lanes.entries()) {
    const forest = [...parents, ...new Array<number>(width - tokens.length).fill(-1)]
    const intervals = treeColumns(forest)
    ids.set(tokens, i * width)
    for (const [slot, depth] of depthsOf(forest).entries()) position[i * width + slot] = start + depth
    enter.set(intervals.enter, i * width)
    exit.set(intervals.exit, i * width)
    for (const { extension, offset } of pieces) {
      const count = extension.tokens.length
      const first = i * width + offset
      for (let slot = count - wantedCount(count, options.logits); slot < count; slot++) wanted.push(first + slot)
      for (let slot = count - wantedCount(count, hidden); slot < count; slot++) shown.push(first + slot)
    }
  }
  const shape = [lanes.length, width]
  return {
    ids: matrix(ids, shape),
    position: matrix(position, shape),
    enter: matrix(enter, shape),
    exit: matrix(exit, shape),
    wanted: Int32Array.from(wanted),
    shown: Int32Array.from(shown),
  }
}

/** How many of an extension's slots have outputs. */
export function wantedCount(count: number, slots: ExtendOptions['logits']): number {
  return slots === 'all' ? count : Number(slots === 'last')
}
