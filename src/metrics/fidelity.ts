import { OptionError, ShapeError } from '../base/errors.ts'
import { checkPixels, type Pictures, pictureLength } from '../base/pictures.ts'

const peak = 255

/** How well pictures were kept. */
export interface SignalToNoise {
  /** Decibels of each picture; Infinity where nothing was lost. */
  readonly perPicture: Float64Array
  /** Decibels of the squared error of all pictures together. */
  readonly pooled: number
}

/**
 * Peak signal-to-noise ratio of 8-bit pictures in decibels, 10·log₁₀(255² / mean squared error). The mean of `perPicture` is at least
 * `pooled` (Jensen), and infinite when one picture is kept whole: say which one is reported. Throws ShapeError when sizes or counts differ, or
 * pixels are other than count × size; OptionError when there are no pictures.
 */
export function peakSignalToNoise(a: Pictures, b: Pictures): SignalToNoise {
  checkPair(a, b)
  const length = pictureLength(a)
  const errors = Float64Array.from({ length: a.count }, (_, picture) => squaredError(a, b, picture * length, length))
  const decibels = (error: number, values: number) => 10 * Math.log10((peak * peak * values) / error)
  return {
    perPicture: errors.map((error) => decibels(error, length)),
    pooled: decibels(
      errors.reduce((sum, error) => sum + error, 0),
      length * a.count,
    ),
  }
}

function squaredError({ pixels }: Pictures, { pixels: others }: Pictures, start: number, length: number): number {
  let sum = 0
  for (let i = start; i < start + length; i++) sum += (pixels[i]! - others[i]!) ** 2
  return sum
}

export interface StructuralSimilarity {
  /** From −1 to 1 (equal), one per picture: the mean over its channels and windows. */
  readonly perPicture: Float64Array
  readonly mean: number
}

/**
 * Mean structural similarity (SSIM) of 8-bit pictures. Wang, Bovik, Sheikh & Simoncelli 2004, equation 13: windows of 11×11 pixels
 * under a Gaussian of deviation 1.5 with weights that add up to 1, K₁ = 0.01, K₂ = 0.03, only windows that lie inside the picture. Channels
 * are compared one by one; pictures are not made smaller first, which some programs do above 256 pixels. Throws ShapeError when sizes or
 * counts differ, pixels are other than count × size, or a side is below 11 pixels; OptionError when there are no pictures.
 */
export function structuralSimilarity(a: Pictures, b: Pictures): StructuralSimilarity {
  checkPair(a, b)
  const { channels, height, width } = a
  if (Math.min(height, width) < windowSize)
    throw new ShapeError(`structuralSimilarity: pictures of ${height}×${width} pixels`, { expected: 'at least 11×11, one window' })
  const planes = Float64Array.from({ length: a.count * channels }, (_, plane) => planeSimilarity(a, b, plane))
  const perPicture = Float64Array.from({ length: a.count }, (_, i) => meanOf(planes.subarray(i * channels, (i + 1) * channels)))
  return { perPicture, mean: meanOf(perPicture) }
}

const windowSize = 11
const windowDeviation = 1.5
const [luminanceFloor, contrastFloor] = [(0.01 * peak) ** 2, (0.03 * peak) ** 2]

function planeSimilarity(a: Pictures, b: Pictures, plane: number): number {
  const size = a.height * a.width
  const [x, y] = [a, b].map(({ pixels }) => Float64Array.from(pixels.subarray(plane * size, (plane + 1) * size)))
  const moment = (values: Float64Array) => windowMeans(values, a.height, a.width)
  const [meanX, meanY] = [moment(x!), moment(y!)]
  const [squareX, squareY, product] = [
    moment(x!.map((v) => v * v)),
    moment(y!.map((v) => v * v)),
    moment(x!.map((v, i) => v * y![i]!)),
  ]
  const similarity = meanX.map((mx, i) => {
    const my = meanY[i]!
    const [variances, covariance] = [squareX[i]! - mx * mx + squareY[i]! - my * my, product[i]! - mx * my]
    const luminance = (2 * mx * my + luminanceFloor) / (mx * mx + my * my + luminanceFloor)
    return (luminance * (2 * covariance + contrastFloor)) / (variances + contrastFloor)
  })
  return meanOf(similarity)
}

/** Gaussian-weighted means of all windows inside a plane: columns first, then rows. */
function windowMeans(plane: Float64Array, height: number, width: number): Float64Array {
  const weights = windowWeights()
  const [rows, columns] = [height - windowSize + 1, width - windowSize + 1]
  const narrow = new Float64Array(height * columns)
  for (let i = 0; i < narrow.length; i++) {
    const start = Math.floor(i / columns) * width + (i % columns)
    for (let tap = 0; tap < windowSize; tap++) narrow[i]! += weights[tap]! * plane[start + tap]!
  }
  const means = new Float64Array(rows * columns)
  for (let i = 0; i < means.length; i++)
    for (let tap = 0; tap < windowSize; tap++) means[i]! += weights[tap]! * narrow[i + tap * columns]!
  return means
}

function windowWeights(): Float64Array {
  const centre = (windowSize - 1) / 2
  const bell = Float64Array.from({ length: windowSize }, (_, i) => Math.exp(-0.5 * ((i - centre) / windowDeviation) ** 2))
  const total = bell.reduce((sum, weight) => sum + weight, 0)
  return bell.map((weight) => weight / total)
}

function meanOf(values: Float64Array): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}

function checkPair(a: Pictures, b: Pictures): void {
  const shapes = [a, b].map(({ count, channels, height, width }) => `[${[count, channels, height, width].join(', ')}]`)
  if (shapes[0] !== shapes[1])
    throw new ShapeError(`pictures ${shapes[0]} and ${shapes[1]}`, { expected: 'the same sizes and counts' })
  if (a.count === 0) throw new OptionError('there are no pictures to compare')
  checkPixels(a)
  checkPixels(b)
}
