import { type CodeBatch, countValues } from '../../base/codes.ts'
import { DataError } from '../../base/errors.ts'
import type { Layout } from '../../base/model.ts'
import type { ImageTokenizer } from '../../tokenizers/index.ts'
import { fittingTokenizer, type TokenizerNeeds } from './fit-tokenizer.ts'

/** What a network's values are: vectors on a layout. */
export interface VectorTraits {
  readonly layout: Layout
  readonly dimension: number
}

/** Layout and dimension of a tokenizer whose values are vectors. Throws MismatchError for another, or one of other parts. */
export function vectorTraits(tokenizer: ImageTokenizer, system: string, parts?: TokenizerNeeds['parts']): VectorTraits {
  const { layout, unit } = fittingTokenizer(system, tokenizer, { unit: 'vectors', ...(parts && { parts }) })
  return { layout, dimension: unit.dimension }
}

/** Values `[count, value, number]` as codes. */
export function vectorBatch({ layout, dimension }: VectorTraits, count: number, data: Float32Array): CodeBatch {
  return { kind: 'vectors', layout, dimension, count, data }
}

const leastDeviation = 0.5
const mostDeviation = 2

/**
 * Throws DataError unless the numbers of the last part, the finest, deviate by 0.5 to 2: the noise of flows and diffusions has deviation 1, and beside
 * it values of another scale are lost, or it beside them.
 */
export function checkScaled({ data, layout, count }: CodeBatch): void {
  const row = data.length / count
  const first = Math.round(row * (1 - countValues({ parts: layout.parts.slice(-1) }) / countValues(layout)))
  const deviation = deviationOf(data, (i) => i % row >= first)
  if (deviation >= leastDeviation && deviation <= mostDeviation) return
  const fix = deviation > 0 ? `multiply them by ${(1 / deviation).toPrecision(3)}, or ` : ''
  throw new DataError(`values have a standard deviation of ${deviation.toPrecision(3)}`, {
    expected: `${leastDeviation} to ${mostDeviation}, as their noise has 1`,
    fix: `${fix}take a tokenizer that scales its values, such as a trained vae`,
  })
}

function deviationOf(data: ArrayLike<number>, counts: (place: number) => boolean): number {
  let [sum, squares, count] = [0, 0, 0]
  for (let i = 0; i < data.length; i++) {
    if (!counts(i)) continue
    sum += data[i]!
    squares += data[i]! ** 2
    count++
  }
  return Math.sqrt(Math.max(0, squares / count - (sum / count) ** 2))
}
