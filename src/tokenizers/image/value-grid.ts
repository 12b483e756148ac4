import { OptionError } from '../../base/errors.ts'
import type { Layout } from '../../base/model.ts'
import type { PictureSize } from '../../base/pictures.ts'
import { reshape, type Tensor, transpose } from '../../tensor/index.ts'

/** Height and width of a grid. */
export type GridSize = readonly [number, number]

/** `[batch, channel, y, x]` → `[batch, y·x, channel]`, row-major. */
export function toVectors(grid: Tensor): Tensor {
  const [batch, channels, height, width] = grid.shape as readonly [number, number, number, number]
  return transpose(reshape(grid, [batch, channels, height * width]), [0, 2, 1])
}

/** `[batch, y·x, channel]` → `[batch, channel, y, x]`. */
export function toGrid(vectors: Tensor, [height, width]: GridSize): Tensor {
  const [batch, , channels] = vectors.shape as readonly [number, number, number]
  return reshape(transpose(vectors, [0, 2, 1]), [batch, channels, height, width])
}

/** A layout of one grid. */
export function oneGrid(size: GridSize): Layout {
  return { parts: [{ shape: [...size] }] }
}

/** The grid that is left of a picture. Throws OptionError when its sides are no multiples of `factor`. */
export function shrunkGrid({ height, width }: PictureSize, factor: number, name: string): GridSize {
  if (height % factor === 0 && width % factor === 0) return [height / factor, width / factor]
  throw new OptionError(`${name} is ${factor} for pictures of ${height}×${width}`, { expected: 'a divisor of both sides' })
}
