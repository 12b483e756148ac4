import { applyRules, greedyToken, type LogitsRule, sampleToken } from '../../decode/index.ts'

export interface IdDrawing {
  readonly vocabulary: readonly number[]
  readonly rules: readonly LogitsRule[]
  /** The likeliest ids, by temperature 0. */
  readonly greedy: boolean
  /** A number from 0 to 1 for each code. */
  readonly uniform: (code: number) => number
}

/** Draws the ids of one value into `ids` `[code]` from logits `[Σ vocabulary]`. What each was drawn from, before a temperature of 0. */
export function drawIds(logits: Float32Array, ids: Int32Array, { vocabulary, rules, greedy, uniform }: IdDrawing): Float32Array[] {
  let start = 0
  return vocabulary.map((size, code) => {
    const ruled = applyRules(rules, logits.subarray(start, start + size), noContext)
    ids[code] = greedy ? greedyToken(ruled) : sampleToken(ruled, uniform(code))
    start += size
    return ruled
  })
}

/** Rules that look at earlier tokens have no place here. */
const noContext = { tokens: [], promptLength: 0 }
