import type { CodeBatch } from '../../base/codes.ts'
import { elementCount } from '../../base/dtype.ts'

/** Values of one sample. */
export function valueCount({ layout }: Pick<CodeBatch, 'layout'>): number {
  return layout.parts.reduce((sum, { shape }) => sum + elementCount(shape), 0)
}

/** Some samples of a batch, in the order of their indices. */
export function chosenCodes(codes: CodeBatch, samples: Int32Array): CodeBatch {
  const size = valueCount(codes) * (codes.kind === 'ids' ? codes.vocabulary.length : codes.dimension)
  const rows = <T extends Int32Array | Float32Array>(data: T, result: T): T => {
    for (const [i, sample] of samples.entries()) result.set(data.subarray(sample * size, (sample + 1) * size), i * size)
    return result
  }
  const count = samples.length
  if (codes.kind === 'ids') return { ...codes, count, data: rows(codes.data, new Int32Array(count * size)) }
  return { ...codes, count, data: rows(codes.data, new Float32Array(count * size)) }
}
