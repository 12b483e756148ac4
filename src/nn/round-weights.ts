import { NonFiniteError, OptionError, ShapeError } from '../base/errors.ts'
import { codeAt, zeroCode } from '../tensor/ops/quantized.ts'
import { type BlockFormat, checkFormat, type QuantizedValues } from './quantized-matrix.ts'

/** Where the largest weights of a block may go: into the range of codes, or past its end when that lowers the block's squared error. */
export type Clip = 'none' | 'search'

export interface RoundOptions extends BlockFormat {
  /** Default 'none'. */
  readonly clip?: Clip
}

/** Codes of a matrix that is being rounded; rows are whole blocks, filled up with zeros. */
export class CodeWriter {
  readonly values: QuantizedValues
  readonly #zero: number
  readonly #perRow: number

  constructor(rows: number, columns: number, { bits, blockSize }: BlockFormat) {
    this.#perRow = Math.ceil(columns / blockSize)
    const count = rows * this.#perRow
    this.#zero = zeroCode(bits)
    const blocks = new Uint8Array((count * blockSize * bits) / 8).fill(bits === 4 ? 0x88 : 0x80)
    this.values = { bits, blockSize, blocks, scales: new Float32Array(count) }
  }

  setScale(row: number, block: number, scale: number): void {
    this.values.scales[row * this.#perRow + block] = scale
  }

  /** Writes the nearest code of a weight. Returns what it stands for. */
  put(row: number, column: number, weight: number, scale: number): number {
    const { bits, blockSize, blocks } = this.values
    const code = nearestCode(weight, scale, this.#zero)
    const place = row * this.#perRow * blockSize + column
    if (bits === 8) blocks[place] = code
    else blocks[place >> 1] = place & 1 ? (blocks[place >> 1]! & 0x0f) | (code << 4) : (blocks[place >> 1]! & 0xf0) | code
    return (code - this.#zero) * scale
  }

  /** `put` for a whole block, from `column` on. */
  putBlock(row: number, column: number, weights: Float32Array, scale: number): void {
    const { bits, blockSize, blocks } = this.values
    const [zero, place] = [this.#zero, row * this.#perRow * blockSize + column]
    if (bits === 8) for (let i = 0; i < weights.length; i++) blocks[place + i] = nearestCode(weights[i]!, scale, zero)
    else for (let i = 0; i < weights.length; i++) this.put(row, column + i, weights[i]!, scale)
  }
}

function nearestCode(weight: number, scale: number, zero: number): number {
  if (scale === 0) return zero
  return Math.min(2 * zero - 1, Math.max(0, Math.round(weight / scale) + zero))
}

/**
 * A matrix `[rows, columns]` in blocks, each weight as the code nearest to it. Throws NonFiniteError on weights that are NaN or infinite,
 * OptionError on a format without kernels, ShapeError when the values are not that many.
 * @example
 * const values = roundWeights(Float32Array.of(1, -2, 3, 4), 2, 2, { bits: 8, blockSize: 16 })
 * widenWeights(values, 2).length // 4
 */
export function roundWeights(weights: Float32Array, rows: number, columns: number, options: RoundOptions): QuantizedValues {
  checkWeights(weights, rows, columns, options)
  const writer = new CodeWriter(rows, columns, options)
  for (let row = 0; row < rows; row++) roundRow(writer, row, weights.subarray(row * columns, (row + 1) * columns), options)
  return writer.values
}

/** Each weight of a row, which are finite, as the code nearest to it. */
function roundRow(writer: CodeWriter, row: number, weights: Float32Array, { bits, blockSize, clip = 'none' }: RoundOptions): void {
  for (let start = 0; start < weights.length; start += blockSize) {
    const block = weights.subarray(start, start + blockSize)
    const scale = blockScale(block, bits, clip)
    writer.setScale(row, start / blockSize, scale)
    writer.putBlock(row, start, block, scale)
  }
}

/** `roundWeights` for a matrix whose rows come one by one, in any order. */
export function openRounding(rows: number, columns: number, options: RoundOptions) {
  checkRounding(options)
  const writer = new CodeWriter(rows, columns, options)
  return {
    values: writer.values,
    /** Throws NonFiniteError, ShapeError. */
    put(row: number, weights: Float32Array): void {
      if (weights.length !== columns) throw new ShapeError(`${weights.length} weights for a row of ${columns}`)
      refuseNonFinite(weights, row, columns)
      roundRow(writer, row, weights, options)
    },
  }
}

/** Throws OptionError unless the kernels have the format and the clip is known. */
export function checkRounding({ clip = 'none', ...format }: RoundOptions): void {
  checkFormat(format)
  if (clip !== 'none' && clip !== 'search') throw new OptionError(`clip is ${String(clip)}`, { expected: "'none' or 'search'" })
}

export function checkWeights(weights: Float32Array, rows: number, columns: number, options: RoundOptions): void {
  checkRounding(options)
  if (weights.length !== rows * columns) throw new ShapeError(`${weights.length} weights for [${rows}, ${columns}]`)
  refuseNonFinite(weights, 0, columns)
}

/** `first`: row of the first weight. */
function refuseNonFinite(weights: Float32Array, first: number, columns: number): void {
  let place = 0
  while (place < weights.length && Number.isFinite(weights[place]!)) place++
  if (place === weights.length) return
  throw new NonFiniteError(`weight ${first + Math.floor(place / columns)}, ${place % columns} is ${weights[place]}`, {
    fix: 'quantise weights that are finite',
  })
}

/**
 * The scale of a block, in 32 bits. 4-bit codes reach from −8 to 7: the weight of largest magnitude gets the −8, whatever its sign, so that
 * scales may be negative. 8-bit codes reach from −127 to 127.
 */
export function blockScale(block: ArrayLike<number>, bits: BlockFormat['bits'], clip: Clip): number {
  let extreme = 0
  for (let i = 0; i < block.length; i++) if (Math.abs(block[i]!) > Math.abs(extreme)) extreme = block[i]!
  const widest = Math.fround(bits === 4 ? extreme / -8 : Math.abs(extreme) / 127)
  if (widest === 0) return 0
  return clip === 'none' ? widest : searchedScale(block, widest, zeroCode(bits))
}

/** Fractions of the widest scale that are tried; negative ones give the −8 to weights of the other sign. */
const fractions = Array.from({ length: 20 }, (_, i) => 1 - i * 0.025).flatMap((fraction) => [fraction, -fraction])

/** The scale of least squared error. */
function searchedScale(block: ArrayLike<number>, widest: number, zero: number): number {
  let best = { scale: widest, error: squaredError(block, widest, zero, Number.POSITIVE_INFINITY) }
  for (const fraction of fractions) {
    const scale = Math.fround(widest * fraction)
    const error = squaredError(block, scale, zero, best.error)
    if (error < best.error) best = { scale, error }
  }
  return best.scale
}

/** Σ (ŵ − w)², or anything above `limit` once it is. */
function squaredError(block: ArrayLike<number>, scale: number, zero: number, limit: number): number {
  let error = 0
  for (let i = 0; i < block.length && error < limit; i++) {
    error += ((nearestCode(block[i]!, scale, zero) - zero) * scale - block[i]!) ** 2
  }
  return error
}

/** The weights that blocks stand for: `[rows, columns]`. */
export function widenWeights({ bits, blockSize, blocks, scales }: QuantizedValues, columns: number): Float32Array {
  const stored = Math.ceil(columns / blockSize) * blockSize
  const rows = (scales.length * blockSize) / stored
  const zero = zeroCode(bits)
  const weights = new Float32Array(rows * columns)
  for (let row = 0, to = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++, to++) {
      const place = row * stored + column
      weights[to] = (codeAt(blocks, place, bits) - zero) * scales[Math.floor(place / blockSize)]!
    }
  }
  return weights
}
