import { elementCount } from './dtype.ts'
import { ShapeError } from './errors.ts'
import type { Layout } from './model.ts'

/** What one code value is: ids of one or several vocabularies side by side, or a vector. */
export type Unit =
  | { readonly kind: 'ids'; readonly vocabulary: readonly number[] }
  | { readonly kind: 'vectors'; readonly dimension: number }

/**
 * Tokenized samples side by side: `[count, value, component]`, row-major. Values count through the layout's parts, as in plans;
 * components are the ids of one position, or the numbers of one vector.
 */
export type CodeBatch = { readonly layout: Layout; readonly count: number } & (
  | { readonly kind: 'ids'; readonly vocabulary: readonly number[]; readonly data: Int32Array }
  | { readonly kind: 'vectors'; readonly dimension: number; readonly data: Float32Array }
)

/** Components of one value. */
export function unitWidth(unit: Unit): number {
  return unit.kind === 'ids' ? unit.vocabulary.length : unit.dimension
}

/** Most values of one sample. */
const mostValues = 2 ** 24

/** How many values a layout has. Throws ShapeError on none, on too many, and on shapes that are not whole and positive. */
export function countValues({ parts }: Layout): number {
  if (parts.length === 0) throw new ShapeError('a layout without parts', { expected: 'at least one part' })
  const odd = parts.find(({ shape }) => shape.length === 0 || !shape.every((size) => Number.isSafeInteger(size) && size > 0))
  if (odd) throw new ShapeError(`a part of shape [${odd.shape}]`, { expected: 'at least one axis, and whole positive sizes' })
  const count = parts.reduce((sum, { shape }) => sum + elementCount(shape), 0)
  if (count > mostValues) throw new ShapeError(`a layout of ${count} values`, { expected: `at most ${mostValues}` })
  return count
}
