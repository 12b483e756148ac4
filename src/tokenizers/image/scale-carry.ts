import { OptionError } from '../../base/errors.ts'
import { bandMatrix, bandResizeMatrix, Conv2d, type HostMatrix, mapGrid, resize2d } from '../../nn/index.ts'
import { add, multiply, subtract, type Tensor } from '../../tensor/index.ts'
import type { GridSize } from './value-grid.ts'

export const carryKinds = ['residual', 'latest', 'band'] as const
export type CarryKind = (typeof carryKinds)[number]

/**
 * How the grids of several scales make up one latent. All grids are `[batch, channel, y, x]`; `total` is what parts before k, or up to k,
 * say together, and undefined before the first.
 */
export interface ScaleCarry {
  /** What part k is to say, at its size. */
  target(latents: Tensor, total: Tensor | undefined, k: number): Tensor
  /** The total once part k says `grid`. */
  join(total: Tensor | undefined, grid: Tensor, k: number): Tensor
  /** What the total comes to without quantisation after part k. */
  ideal(latents: Tensor, k: number): Tensor
  /** The total after part k − 1, at the size of part k. */
  next(total: Tensor, k: number): Tensor
}

/** Throws OptionError when the scales do not suit the kind. */
export function scaleCarry(kind: CarryKind, scales: readonly GridSize[], channels: number): ScaleCarry {
  if (kind === 'residual') return new ResidualCarry(scales, channels)
  return kind === 'latest' ? new LatestCarry(scales) : new BandCarry(scales)
}

const refinements = 4

/** Every part adds to the sum of those before it, enlarged and smoothed. Tian et al. 2024 (VAR), algorithms 1 and 2. */
class ResidualCarry implements ScaleCarry {
  /** 3 × 3 convolutions, each shared by neighbouring scales; without biases, so that parts that are not known add nothing. */
  readonly refine: readonly Conv2d[]
  readonly #scales: readonly GridSize[]

  constructor(scales: readonly GridSize[], channels: number) {
    this.#scales = scales
    this.refine = Array.from({ length: refinements }, () => new Conv2d(channels, channels, { bias: false }))
  }

  target(latents: Tensor, total: Tensor | undefined, k: number): Tensor {
    return resize2d(total === undefined ? latents : subtract(latents, total), 'area', this.#scales[k]!)
  }

  join(total: Tensor | undefined, grid: Tensor, k: number): Tensor {
    const large = resize2d(grid, 'bicubic', this.#scales.at(-1)!)
    // φ(u) = ½·u + ½·conv(u).
    const refined = multiply(add(large, this.refine[refinementOf(k, this.#scales.length)]!.forward(large)), 0.5)
    return total === undefined ? refined : add(total, refined)
  }

  ideal(latents: Tensor): Tensor {
    return latents
  }

  next(total: Tensor, k: number): Tensor {
    return resize2d(total, 'area', this.#scales[k]!)
  }
}

/** The convolution of part k of `count`: the nearest of four places on the way from the first to the last. */
function refinementOf(k: number, count: number): number {
  const place = count === 1 ? 0 : k / (count - 1)
  const ticks = Array.from({ length: refinements }, (_, i) => 1 / 12 + (i / (refinements - 1)) * (10 / 12))
  const distances = ticks.map((tick) => Math.abs(tick - place))
  return distances.indexOf(Math.min(...distances))
}

/** Every part is the whole picture at its size. Jiao et al. 2025 (FlexVAR). */
class LatestCarry implements ScaleCarry {
  readonly #scales: readonly GridSize[]

  constructor(scales: readonly GridSize[]) {
    this.#scales = scales
  }

  target(latents: Tensor, _total: Tensor | undefined, k: number): Tensor {
    return resize2d(latents, 'area', this.#scales[k]!)
  }

  join(_total: Tensor | undefined, grid: Tensor): Tensor {
    return grid
  }

  ideal(latents: Tensor, k: number): Tensor {
    return this.target(latents, undefined, k)
  }

  next(total: Tensor, k: number): Tensor {
    return resize2d(total, 'bicubic', this.#scales[k]!)
  }
}

/** Every part adds a band of higher frequencies, and mends errors in the lower ones: after part k, |ω|∞ ≤ (size − 1) / 2. NFIG. */
class BandCarry implements ScaleCarry {
  readonly #scales: readonly GridSize[]

  constructor(scales: readonly GridSize[]) {
    const even = scales.flat().find((size) => size % 2 === 0)
    if (even !== undefined)
      throw new OptionError(`a scale of ${even} for bands`, { expected: 'odd sizes, which hold whole bands: 2·cutoff + 1' })
    this.#scales = scales
  }

  target(latents: Tensor, total: Tensor | undefined, k: number): Tensor {
    return this.#resized(total === undefined ? latents : subtract(latents, total), this.#scales.at(-1)!, this.#scales[k]!)
  }

  join(total: Tensor | undefined, grid: Tensor, k: number): Tensor {
    const large = this.#resized(grid, this.#scales[k]!, this.#scales.at(-1)!)
    return total === undefined ? large : add(total, large)
  }

  ideal(latents: Tensor, k: number): Tensor {
    return mapBoth(latents, (axis) => bandMatrix(this.#scales.at(-1)![axis], (this.#scales[k]![axis] - 1) / 2))
  }

  next(total: Tensor, k: number): Tensor {
    return this.#resized(total, this.#scales.at(-1)!, this.#scales[k]!)
  }

  #resized(grid: Tensor, from: GridSize, to: GridSize): Tensor {
    return mapBoth(grid, (axis) => bandResizeMatrix(from[axis], to[axis]))
  }
}

function mapBoth(grid: Tensor, matrixOf: (axis: 0 | 1) => HostMatrix): Tensor {
  return mapGrid(grid, matrixOf(0), matrixOf(1))
}
