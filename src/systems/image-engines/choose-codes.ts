import { type CodeBatch, countValues, unitWidth } from '../../base/codes.ts'

/** Values of one sample. */
export function valueCount({ layout }: Pick<CodeBatch, 'layout'>): number {
  return countValues(layout)
}

/** Of `[sample, …]` with `size` numbers each, the rows of some samples, in the order of their indices. */
export function rowsOf<T extends Int32Array | Float32Array>(data: T, samples: ArrayLike<number>, size: number): T {
  const rows = new (data.constructor as new (length: number) => T)(samples.length * size)
  for (let i = 0; i < samples.length; i++) rows.set(data.subarray(samples[i]! * size, (samples[i]! + 1) * size), i * size)
  return rows
}

/** Some samples of a batch, in the order of their indices. */
export function chosenCodes(codes: CodeBatch, samples: Int32Array): CodeBatch {
  const size = countValues(codes.layout) * unitWidth(codes)
  const count = samples.length
  if (codes.kind === 'ids') return { ...codes, count, data: rowsOf(codes.data, samples, size) }
  return { ...codes, count, data: rowsOf(codes.data, samples, size) }
}
