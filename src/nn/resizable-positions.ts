import { OptionError } from '../base/errors.ts'
import { refuseUnknown } from '../base/options.ts'
import { constant, matmul, parameter, reshape, type Tensor, type Variable } from '../tensor/index.ts'
import { resizeMatrix } from './resize.ts'
import { checkSizes } from './sizes.ts'

/**
 * One learned table of positions of a grid that is resized to every grid asked for, by area (FlexVAR). It starts as sines and cosines:
 * a quarter of the channels each of y and x, with wavelengths from 2π to 2π·10000. Throws OptionError on bad sizes.
 */
export class ResizablePositions {
  /** `[size·size, width]`, row-major. */
  readonly weight: Variable
  readonly #size: number

  constructor(width: number, options: { readonly size?: number } = {}) {
    refuseUnknown(options, ['size'], 'ResizablePositions')
    const { size = 32 } = options
    checkSizes({ width, size })
    if (width % 4 !== 0) throw new OptionError(`width is ${width}`, { expected: 'a multiple of 4' })
    this.weight = parameter([size * size, width], () => sinusoids(size, width))
    this.#size = size
  }

  /** Positions `[height·width, channel]` of a grid, row-major. Throws OptionError on bad sizes. */
  forward([height, width]: readonly [number, number]): Tensor {
    const size = this.#size
    const across = matmul(this.#matrix(width), reshape(this.weight, [size, size, -1]))
    const down = matmul(this.#matrix(height), reshape(across, [size, -1]))
    return reshape(down, [height * width, -1])
  }

  #matrix(to: number): Tensor {
    return constant(Float32Array.from(resizeMatrix('area', this.#size, to).values), [to, this.#size])
  }
}

/** Per place sin(y·f), cos(y·f), sin(x·f), cos(x·f) for width / 4 frequencies f = 10000^(−i·4/width). */
function sinusoids(size: number, width: number): Float32Array {
  const quarter = width / 4
  return Float32Array.from({ length: size * size * width }, (_, at) => {
    const [place, channel] = [Math.floor(at / width), at % width]
    const coordinate = channel < 2 * quarter ? Math.floor(place / size) : place % size
    const angle = coordinate * 10000 ** (-(channel % quarter) / quarter)
    return Math.floor(channel / quarter) % 2 === 0 ? Math.sin(angle) : Math.cos(angle)
  })
}
