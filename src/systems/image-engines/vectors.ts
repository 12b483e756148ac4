import { type CodeBatch, countValues } from '../../base/codes.ts'
import { DataError, MismatchError } from '../../base/errors.ts'
import type { Layout } from '../../base/model.ts'
import type { Rng } from '../../base/rng.ts'
import type { ImageTokenizer } from '../../tokenizers/index.ts'

/** What a network's values are: vectors on a layout. */
export interface VectorTraits {
  readonly layout: Layout
  readonly dimension: number
}

/** Layout and dimension of a tokenizer whose values are vectors. Throws MismatchError for another. */
export function vectorTraits({ unit, layout, kind }: ImageTokenizer, system: string): VectorTraits {
  if (unit.kind === 'vectors') return { layout, dimension: unit.dimension }
  throw new MismatchError(`${system} predicts vectors, and the tokenizer ${kind} gives ids`, {
    fix: 'take a tokenizer such as vae or patches',
  })
}

/** Values `[count, value, number]` as codes. */
export function vectorBatch({ layout, dimension }: VectorTraits, count: number, data: Float32Array): CodeBatch {
  return { kind: 'vectors', layout, dimension, count, data }
}

const leastDeviation = 0.5
const mostDeviation = 2

/**
 * Throws DataError unless numbers of vectors deviate by 0.5 to 2: the noise of flows and diffusions has deviation 1, and beside it values of another
 * scale are lost, or it beside them.
 */
export function checkScaled({ data }: CodeBatch): void {
  const deviation = deviationOf(data)
  if (deviation >= leastDeviation && deviation <= mostDeviation) return
  const fix = deviation > 0 ? `multiply them by ${(1 / deviation).toPrecision(3)}, or ` : ''
  throw new DataError(`values have a standard deviation of ${deviation.toPrecision(3)}`, {
    expected: `${leastDeviation} to ${mostDeviation}, as their noise has 1`,
    fix: `${fix}take a tokenizer that scales its values, such as a trained vae`,
  })
}

function deviationOf(data: ArrayLike<number>): number {
  let [sum, squares] = [0, 0]
  for (let i = 0; i < data.length; i++) {
    sum += data[i]!
    squares += data[i]! ** 2
  }
  const mean = sum / data.length
  return Math.sqrt(Math.max(0, squares / data.length - mean ** 2))
}

/** Standard normal noise for every number of every sample, each from that sample's own generator: `[sample, value, number]`. */
export function noiseOfSamples({ layout, dimension }: VectorTraits, rngs: readonly Rng[]): Float32Array {
  const size = countValues(layout) * dimension
  const noise = new Float32Array(rngs.length * size)
  for (const [sample, rng] of rngs.entries()) rng.fillNormal(noise.subarray(sample * size, (sample + 1) * size))
  return noise
}
