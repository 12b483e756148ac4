import { bytesPerElement, elementCount, type HostTensor } from '../base/dtype.ts'
import { DataError, FormatError, ShapeError } from '../base/errors.ts'
import type { BlockType, StoredTensor } from '../base/stored-tensor.ts'
import { blockSizes, isBlockType } from './block-types.ts'
import { dequantize } from './dequantize.ts'
import { readPiece } from './read-piece.ts'
import { byteLengthOf, elementsOf, firstInvalidBool, longestArray } from './tensor-bytes.ts'

/** Quantised bytes that are read at a time. */
const pieceBytes = 2 ** 22

/**
 * Reads a tensor of a file. Plain types come as they are (16-bit floats as their bits), in memory that may be shared with the source;
 * quantised blocks become float32, equal to ggml's bit for bit.
 *
 * @throws DataError when the source cannot be read or the tensor does not fit one array; FormatError for a bool other than 0 and 1;
 * ShapeError when the tensor has not the bytes of its shape.
 * @example
 * await using file = await openFileSource('model.gguf')
 * const { tensors } = await readGguf(file)
 * for (const [name, stored] of tensors) console.log(name, stored.type, (await readStoredTensor(stored)).data)
 */
export async function readStoredTensor(tensor: StoredTensor): Promise<HostTensor> {
  const { type, shape, source, byteOffset, byteLength } = tensor
  if (byteLength !== byteLengthOf(type, shape)) {
    throw new ShapeError(`a tensor of '${source.name}' has type ${type}, shape [${shape.join(', ')}] and ${byteLength} bytes`)
  }
  const elements = elementCount(shape)
  const outputBytes = elements * (isBlockType(type) ? bytesPerElement.float32 : bytesPerElement[type])
  if (outputBytes > longestArray) {
    const what = `a tensor of '${source.name}' of shape [${shape.join(', ')}]`
    throw new DataError(`${what} does not fit one array`, { expected: `at most ${longestArray} bytes` })
  }
  if (isBlockType(type)) return { dtype: 'float32', shape, data: await readBlocks(tensor, type, elements) }
  const bytes = await readPiece(source, byteOffset, byteLength)
  if (type === 'bool' && firstInvalidBool(bytes) !== -1) {
    throw new FormatError(`a bool tensor of '${source.name}' holds ${bytes[firstInvalidBool(bytes)]}`, { expected: '0 or 1' })
  }
  return { dtype: type, shape, data: elementsOf(type, bytes) }
}

async function readBlocks({ source, byteOffset, byteLength }: StoredTensor, type: BlockType, elements: number) {
  const size = blockSizes[type]
  const blocks = Math.floor(pieceBytes / size.bytes)
  const values = new Float32Array(elements)
  for (let at = 0; at < byteLength; at += blocks * size.bytes) {
    const bytes = await readPiece(source, byteOffset + at, Math.min(blocks * size.bytes, byteLength - at))
    dequantize(type, bytes, values, (at / size.bytes) * size.elements)
  }
  return values
}
