import { GraphError, OptionError, ShapeError } from '../base/errors.ts'
import {
  dequantize,
  gather,
  type Initializer,
  matmulQuantized,
  reshape,
  type Tensor,
  type TensorOperand,
  Variable,
  type WeightBits,
} from '../tensor/index.ts'
import { checkBlocks } from '../tensor/ops/quantized.ts'
import { describeType, toTensor } from '../tensor/tensor.ts'
import { checkSizes } from './sizes.ts'

/** How weights are kept: in blocks along their rows, each with a scale of its own. */
export interface BlockFormat {
  readonly bits: WeightBits
  /** Weights per block: 16 to 256, a power of two. */
  readonly blockSize: number
}

/** A matrix in a block format. A weight is (code − 8)·scale for 4 bits, (code − 128)·scale for 8. */
export interface QuantizedValues extends BlockFormat {
  /** `[row, block, byte]`, with rows of whole blocks; of two 4-bit codes in a byte, the first is the lower half. */
  readonly blocks: Uint8Array
  /** `[row, block]`. */
  readonly scales: Float32Array
}

/**
 * Weights in blocks of 4 or 8 bits, in the place of the weight of a `Linear` or an `Embedding`. Not trained. Rows that are
 * not whole blocks end in a block that is not full. Throws OptionError on a format that the kernels do not have.
 */
export class QuantizedMatrix {
  /** uint8 `[row, block, byte]`. */
  readonly blocks: Variable
  /** float32 `[row, block]`. */
  readonly scales: Variable
  readonly bits: WeightBits
  readonly blockSize: number
  readonly #columns: number

  constructor(rows: number, columns: number, format: BlockFormat) {
    checkSizes({ rows, columns })
    checkFormat(format)
    const { bits, blockSize } = format
    const perRow = Math.ceil(columns / blockSize)
    this.#columns = columns
    this.bits = bits
    this.blockSize = blockSize
    this.blocks = new Variable({
      shape: [rows, perRow, (blockSize * bits) / 8],
      dtype: 'uint8',
      initializer: refuseFirst,
    })
    this.scales = new Variable({ shape: [rows, perRow], initializer: refuseFirst })
  }

  /** Of the matrix that is stood for: `[rows, columns]`. */
  get shape(): readonly [number, number] {
    return [this.scales.shape[0] as number, this.#columns]
  }

  /** x·Ŵᵀ: `[…, columns]` → `[…, rows]`. Leading axes are folded into one. */
  product(x: TensorOperand): Tensor {
    const input = toTensor(x)
    const [rows, columns] = this.shape
    if (input.shape.at(-1) !== columns) {
      throw new ShapeError(`${describeType(input)} for quantised weights [${rows}, ${columns}]`, { expected: `rows of ${columns}` })
    }
    const flat = reshape(input, [-1, input.shape.at(-1)!])
    return reshape(matmulQuantized(flat, this.blocks, this.scales, this), [...input.shape.slice(0, -1), rows])
  }

  /** Rows by id, dequantised: ids `[…]` → `[…, columns]`. */
  rows(ids: TensorOperand): Tensor {
    return dequantize(gather(this.blocks, ids), gather(this.scales, ids), { bits: this.bits, width: this.#columns })
  }

  /** Takes on values of the same format. Throws ShapeError when they do not fit. */
  async write({ bits, blockSize, blocks, scales }: QuantizedValues): Promise<void> {
    if (bits !== this.bits || blockSize !== this.blockSize) {
      throw new ShapeError(`${bits}-bit blocks of ${blockSize} for a matrix of ${this.bits}-bit blocks of ${this.blockSize}`)
    }
    await this.blocks.write(blocks)
    await this.scales.write(scales)
  }

  /** Present values. */
  async read(): Promise<QuantizedValues> {
    const [blocks, scales] = [await this.blocks.read(), await this.scales.read()]
    return { bits: this.bits, blockSize: this.blockSize, blocks: blocks as Uint8Array, scales: scales as Float32Array }
  }
}

/** So that a matrix that was never written is refused where it would compute with zeros. */
const refuseFirst: Initializer = () => {
  throw new GraphError('quantised weights have no first values', { fix: 'load them, or quantise an initialised module' })
}

/** What multiplies in a layer: trainable values, or quantised ones. */
export type Weight = Variable | QuantizedMatrix

/** A layer whose `weight` multiplies or is looked up through this file's functions, so that either kind may stand there. */
export abstract class WeightHolder {
  abstract readonly weight: Weight
}

/** Throws OptionError unless the kernels have the format. */
export function checkFormat({ bits, blockSize }: BlockFormat): void {
  if (!Number.isSafeInteger(blockSize)) throw new OptionError(`blocks of ${blockSize}`, { expected: 'a whole number' })
  checkBlocks((blockSize * bits) / 8, bits)
}
