import type { HostTensor, TypedArray } from '../base/dtype.ts'
import { fromHalf } from '../base/half.ts'
import type { Placement } from '../base/placement.ts'
import type { StoredTensor } from '../base/stored-tensor.ts'
import { isBlockType } from '../formats/block-types.ts'
import { readStoredTensor } from '../formats/index.ts'
import { placedValues, type QuantizedMatrix, type QuantizedValues, repackBlocks, twinFormat } from '../nn/index.ts'
import { openRounding } from '../nn/round-weights.ts'
import { nextTurn } from '../platform/next-turn.ts'
import type { Variable } from '../tensor/index.ts'

/** What one variable, or one quantised matrix, is made of. */
export interface Source {
  readonly stored: StoredTensor
  readonly placement: Placement
}

export interface ConvertOptions {
  readonly signal?: AbortSignal
  /** Bytes of the file that are converted between two turns of the event loop: some ten milliseconds' work. Default 2¹⁸. */
  readonly pieceBytes?: number
}

/** Some rows of a tensor. */
interface Piece {
  readonly stored: StoredTensor
  /** Which row of the piece is which of the variable's. */
  readonly moves: readonly (readonly [from: number, to: number])[]
}

/** A tensor's values as a variable is to have them. */
export async function convertValues(source: Source, variable: Variable, options: ConvertOptions): Promise<TypedArray> {
  if (!hasRows(source) || variable.dtype !== 'float32') return wholeValues(source, variable)
  const [rows, ...rest] = variable.concreteShape as [number, ...number[]]
  const width = rest.reduce((product, size) => product * size, 1)
  const values = new Float32Array(rows * width)
  await eachPiece(source, options, async ({ stored, moves }) => {
    moveRows(values, floatsOf(await readStoredTensor(stored), source.placement.add), moves, width)
  })
  return values
}

async function wholeValues({ stored, placement }: Source, { dtype }: Variable): Promise<TypedArray> {
  const placed = placedValues(await readStoredTensor(stored), placement)
  return placed.dtype === dtype ? placed.data : floatsOf(placed)
}

/** A quantised matrix's values: the checkpoint's own blocks where they have an equal, rounded ones elsewhere. */
export async function convertBlocks(matrix: QuantizedMatrix, source: Source, options: ConvertOptions): Promise<QuantizedValues> {
  const { stored, placement } = source
  if (isTwin(matrix, source)) return repacked(matrix, source, options)
  const [rows, columns] = matrix.shape
  const rounding = openRounding(rows, columns, { bits: matrix.bits, blockSize: matrix.blockSize })
  const put = (row: number, weights: Float32Array, from: number) =>
    rounding.put(row, weights.subarray(from * columns, (from + 1) * columns))
  if (hasRows(source)) {
    await eachPiece(source, options, async (piece) => {
      const weights = floatsOf(await readStoredTensor(piece.stored), placement.add)
      for (const [from, to] of piece.moves) put(to, weights, from)
    })
  } else {
    const weights = floatsOf(placedValues(await readStoredTensor(stored), placement))
    for (let row = 0; row < rows; row++) put(row, weights, row)
  }
  return rounding.values
}

function isTwin({ bits, blockSize }: QuantizedMatrix, { stored, placement }: Source): boolean {
  const twin = isBlockType(stored.type) ? twinFormat(stored.type) : undefined
  return twin?.bits === bits && twin.blockSize === blockSize && !placement.transpose && placement.add === undefined
}

async function repacked(matrix: QuantizedMatrix, source: Source, options: ConvertOptions): Promise<QuantizedValues> {
  const { bits, blockSize } = matrix
  const [rows, columns] = matrix.shape
  const [blockBytes, scaleCount] = [(columns * bits) / 8, columns / blockSize]
  const values = { bits, blockSize, blocks: new Uint8Array(rows * blockBytes), scales: new Float32Array(rows * scaleCount) }
  await eachPiece(source, options, async ({ stored: { source: file, type, shape, byteOffset, byteLength }, moves }) => {
    const bytes = await file.read(byteOffset, byteLength)
    const part = repackBlocks(type as 'q8_0' | 'q4_0', bytes, shape[0]!, columns)
    moveRows(values.blocks, part.blocks, moves, blockBytes)
    moveRows(values.scales, part.scales, moves, scaleCount)
  })
  return values
}

function moveRows<T extends Uint8Array | Float32Array>(into: T, rows: T, moves: Piece['moves'], width: number): void {
  for (const [from, to] of moves) into.set(rows.subarray(from * width, (from + 1) * width), to * width)
}

/** Whether rows of the file are rows of the variable. */
function hasRows({ stored, placement }: Source): boolean {
  return placement.transpose !== true && stored.shape.length > 1
}

/** A tensor of hundreds of megabytes, converted in one go, would hold up everybody else for seconds. */
async function eachPiece(
  source: Source,
  { signal, pieceBytes = 2 ** 18 }: ConvertOptions,
  take: (piece: Piece) => Promise<void>,
): Promise<void> {
  for (const piece of piecesOf(source, pieceBytes)) {
    await nextTurn()
    signal?.throwIfAborted()
    await take(piece)
  }
}

function* piecesOf({ stored, placement }: Source, pieceBytes: number): Generator<Piece> {
  const { shape, byteOffset, byteLength } = stored
  const [first, end] = placement.rows ?? [0, shape[0]!]
  const rowBytes = byteLength / shape[0]!
  const most = Math.max(1, Math.floor(pieceBytes / rowBytes))
  for (let row = first; row < end; row += most) {
    const count = Math.min(most, end - row)
    const range = { byteOffset: byteOffset + row * rowBytes, byteLength: count * rowBytes }
    yield { stored: { ...stored, ...range, shape: shape.with(0, count) }, moves: movesOf(row - first, count, placement.order) }
  }
}

function movesOf(start: number, count: number, order: Uint32Array | undefined): Piece['moves'] {
  if (order === undefined) return Array.from({ length: count }, (_, i) => [i, start + i] as const)
  return Array.from(order.entries())
    .filter(([, from]) => from >= start && from < start + count)
    .map(([to, from]) => [from - start, to] as const)
}

/** 16-bit floats widened, and moved by `add`. */
function floatsOf({ dtype, data }: HostTensor, add?: number): Float32Array {
  const half = dtype === 'float16' || dtype === 'bfloat16'
  const wide = half ? new Float32Array(data.length) : (data as Float32Array)
  if (half) for (let i = 0; i < wide.length; i++) wide[i] = fromHalf(data[i] as number, dtype)
  return add === undefined ? wide : wide.map((x) => x + add)
}
