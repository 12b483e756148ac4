import { uniformGenerator } from '../lib/random.ts'

/** Ids of the benchmark vocabularies from here on are ordinary pieces: not bytes, not controls. */
const firstPiece = 300
const vocabulary = 32000

/** Fixed ids for a row: every arm feeds the same. */
export function fixedIds(row: number, count: number): Int32Array {
  const uniform = uniformGenerator(1000 + row)
  return Int32Array.from({ length: count }, () => firstPiece + Math.floor(uniform() * (vocabulary - firstPiece)))
}

/** Index of the largest number. */
export function likeliest(logits: Float32Array): number {
  let best = 0
  for (let i = 1; i < logits.length; i++) if (logits[i]! > logits[best]!) best = i
  return best
}
