import type { Placement } from '../../base/placement.ts'

/**
 * The variable of a tensor's own name; none for what checkpoints repeat: rotary frequencies of old exports, which follow from the base,
 * and the head of a tied model.
 */
export function placeByName(name: string, { head }: { readonly head: 'tied' | 'separate' }): readonly Placement[] {
  const repeated = name.endsWith('rotary_emb.inv_freq') || (head === 'tied' && name.startsWith('lm_head.'))
  return repeated ? [] : [{ name }]
}

/** Cuts rows into the parts of several variables, one after another. */
export function placeParts(parts: readonly (readonly [name: string, rows: number])[]): readonly Placement[] {
  let end = 0
  return parts.map(([name, rows]) => {
    const start = end
    end += rows
    return { name, rows: [start, end] }
  })
}

/** Replaces pieces of a name, where they stand between dots. */
export function renamed(name: string, pieces: readonly (readonly [from: string, to: string])[]): string {
  return pieces.reduce((result, [from, to]) => `.${result}.`.replace(`.${from}.`, `.${to}.`).slice(1, -1), name)
}
