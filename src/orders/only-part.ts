import { ShapeError } from '../base/errors.ts'
import type { Layout } from '../base/model.ts'

/** The shape of a layout's only part. Throws ShapeError when there are others; `order` is the name in the message. */
export function onlyPart({ parts }: Layout, order: string): readonly number[] {
  const [part] = parts
  if (part !== undefined && parts.length === 1) return part.shape
  throw new ShapeError(`${order} over a layout of ${parts.length} parts`, { expected: 'one part' })
}
