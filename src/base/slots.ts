/** What a slot is for. The numbers are the values of a plan's `role` column. */
export const roles = { condition: 0, clean: 1, noisy: 2, mask: 3, query: 4, memory: 5 } as const
export type Role = keyof typeof roles

/** Special values of a plan's `source` column. */
export const sources = { maskToken: -1, query: -2, carried: -3, start: -4 } as const

/** Slots as columns, one entry per slot: all that decides who sees whom. */
export interface SlotColumns {
  readonly length: number
  /** Values of `roles`. */
  readonly role: Uint8Array
  /** The step that predicts (or supplies) this slot; conditions are group 0. */
  readonly group: Int32Array
  /** Sample, packed prompt, set member or modality segment; 0 = shared by all. */
  readonly segment: Int32Array
  /** One column per axis: `[t]`, `[y, x]`, `[scale, y, x]`, `[t, y, x]`. */
  readonly position: readonly Int32Array[]
  /** Index of the parent slot in a draft tree (the last committed slot, for a first draft); -1 elsewhere. Parents come before children. */
  readonly parent: Int32Array
}

/** Where the slots stand, slot by slot: `[slot, axis]`, row-major. */
export function slotCoordinates({ position, length }: SlotColumns): Int32Array {
  const axes = position.length
  return Int32Array.from({ length: length * axes }, (_, i) => position[i % axes]![Math.floor(i / axes)]!)
}
