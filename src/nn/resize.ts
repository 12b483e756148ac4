import { OptionError, ShapeError } from '../base/errors.ts'
import { formatShape } from '../tensor/dimension.ts'
import { constant, expand, matmul, reshape, type Tensor, type TensorOperand, transpose } from '../tensor/index.ts'
import { toTensor } from '../tensor/tensor.ts'
import { checkSizes } from './sizes.ts'

export type ResizeKind = 'area' | 'bicubic' | 'bilinear' | 'nearest'

/** A matrix `[rows, columns]`, row-major. */
export interface HostMatrix {
  readonly rows: number
  readonly columns: number
  readonly values: Float64Array
}

/** What one output of a resized axis is made of: weights of inputs. Inputs beyond the border are the border's. */
type Taps = readonly (readonly [input: number, weight: number])[]

/** Sharpness of the cubic kernel; −½ would be Catmull–Rom. */
const a = -0.75

const tapsOf: Readonly<Record<ResizeKind, (output: number, from: number, to: number) => Taps>> = {
  nearest: (output, from, to) => [[Math.floor((output * from) / to), 1]],
  bilinear(output, from, to) {
    const { first, fraction } = centre(output, from, to)
    return [
      [first, 1 - fraction],
      [first + 1, fraction],
    ]
  },
  bicubic(output, from, to) {
    const { first, fraction } = centre(output, from, to)
    return [-1, 0, 1, 2].map((tap) => [first + tap, cubic(Math.abs(tap - fraction))])
  },
  area(output, from, to) {
    const [start, end] = [Math.floor((output * from) / to), Math.ceil(((output + 1) * from) / to)]
    return Array.from({ length: end - start }, (_, i) => [start + i, 1 / (end - start)])
  },
}

/** The place of an output among the inputs, both as pixels with centres at ½. */
function centre(output: number, from: number, to: number): { first: number; fraction: number } {
  const place = ((output + 0.5) * from) / to - 0.5
  const first = Math.floor(place)
  return { first, fraction: place - first }
}

/** Keys' cubic convolution kernel at a distance ≤ 2 (Keys 1981, equation 3). */
function cubic(x: number): number {
  return x <= 1 ? ((a + 2) * x - (a + 3)) * x * x + 1 : ((x - 5) * x + 8) * x * a - 4 * a
}

/**
 * The matrix `[to, from]` that resizes one axis as PyTorch's `interpolate` does without `align_corners` and antialiasing: pixel
 * centres at ½, cubic kernel with a = −¾, the border repeated. `area` is adaptive average pooling: output i is the mean of the inputs
 * ⌊i·from/to⌋ … ⌈(i + 1)·from/to⌉ − 1, and such windows overlap where the ratio is no integer. Throws OptionError.
 */
export function resizeMatrix(kind: ResizeKind, from: number, to: number): HostMatrix {
  checkSizes({ from, to })
  if (!Object.hasOwn(tapsOf, kind))
    throw new OptionError(`unknown way to resize '${kind}'`, { expected: Object.keys(tapsOf).join(', ') })
  const values = new Float64Array(to * from)
  for (let output = 0; output < to; output++)
    for (const [input, weight] of tapsOf[kind](output, from, to)) {
      const at = output * from + Math.min(from - 1, Math.max(0, input))
      values[at] = values[at]! + weight
    }
  return { rows: to, columns: from, values }
}

/** Resizes pictures `[batch, channel, y, x]` to `[height, width]` with `resizeMatrix` on both axes. Throws ShapeError or OptionError. */
export function resize2d(x: TensorOperand, kind: ResizeKind, [height, width]: readonly [number, number]): Tensor {
  const tensor = toTensor(x)
  const [from, across] = gridOf(tensor)
  return mapGrid(tensor, resizeMatrix(kind, from, height), resizeMatrix(kind, across, width))
}

/** Applies one matrix along y and one along x of pictures `[batch, channel, y, x]`. Throws ShapeError where they do not fit. */
export function mapGrid(x: TensorOperand, alongY: HostMatrix, alongX: HostMatrix): Tensor {
  const tensor = toTensor(x)
  const [height, width] = gridOf(tensor)
  if (alongY.columns !== height || alongX.columns !== width)
    throw new ShapeError(`matrices for a grid of ${alongY.columns}×${alongX.columns}`, { expected: `${height}×${width}` })
  const wide = isIdentity(alongX) ? tensor : matmul(tensor, toConstant(alongX, tensor), { transposeB: true })
  return isIdentity(alongY) ? wide : matmul(toConstant(alongY, tensor), wide)
}

function toConstant({ rows, columns, values }: HostMatrix, { dtype }: Tensor): Tensor {
  return constant([...values], [rows, columns], dtype)
}

function isIdentity({ rows, columns, values }: HostMatrix): boolean {
  return rows === columns && values.every((value, i) => value === (i % (columns + 1) === 0 ? 1 : 0))
}

/** Repeats every pixel of `[batch, channel, y, x]` factor × factor times. Throws OptionError or ShapeError. */
export function upsample2d(x: TensorOperand, factor: number): Tensor {
  checkSizes({ factor })
  const tensor = toTensor(x)
  const [height, width] = gridOf(tensor)
  const [batch, channels] = [tensor.shape[0]!, tensor.shape[1]!]
  const apart = reshape(tensor, [batch, channels, height, 1, width, 1])
  const repeated = expand(apart, [batch, channels, height, factor, width, factor])
  return reshape(repeated, [batch, channels, height * factor, width * factor])
}

/** `[batch, channel·factor², y, x]` → `[batch, channel, y·factor, x·factor]`, channels outermost, as PyTorch's `pixel_shuffle`. Shi et al. 2016. */
export function depthToSpace(x: TensorOperand, factor: number): Tensor {
  checkSizes({ factor })
  const tensor = toTensor(x)
  const [height, width] = gridOf(tensor)
  const [batch, deep] = tensor.shape
  const channels = (deep as number) / factor ** 2
  if (!Number.isInteger(channels)) throw new ShapeError(`${deep} channels`, { expected: `a multiple of ${factor ** 2}` })
  const apart = reshape(tensor, [batch!, channels, factor, factor, height, width])
  return reshape(transpose(apart, [0, 1, 4, 2, 5, 3]), [batch!, channels, height * factor, width * factor])
}

/** Height and width of pictures. */
export function gridOf({ shape }: Tensor): [number, number] {
  const [height, width] = shape.slice(2)
  if (shape.length === 4 && typeof height === 'number' && typeof width === 'number') return [height, width]
  throw new ShapeError(`pictures of shape ${formatShape(shape)}`, { expected: '[batch, channel, y, x] with y and x known' })
}
