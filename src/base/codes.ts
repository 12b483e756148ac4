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
