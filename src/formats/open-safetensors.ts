import type { ByteSource } from '../base/byte-source.ts'
import type { StoredTensors } from '../base/stored-tensor.ts'
import { readPiece } from './read-piece.ts'
import { lengthBytes, readSafetensorsHeader, type SafetensorsLimits, safetensorsHeadBytes } from './safetensors-header.ts'

export interface OpenedSafetensors {
  /** By name, in the order of the data. */
  readonly tensors: StoredTensors
  readonly metadata: ReadonlyMap<string, string>
}

/**
 * Where the tensors of a safetensors file lie; no more than its header is read. See `readStoredTensor` for their data.
 *
 * @throws FormatError when the source is not a valid file or holds a dtype that nextx does not have, naming the tensor; DataError
 * when it cannot be read.
 * @example
 * await using file = await openFileSource('model.safetensors')
 * const { tensors } = await openSafetensors(file)
 * for (const [name, stored] of tensors) console.log(name, await readStoredTensor(stored))
 */
export async function openSafetensors(source: ByteSource, limits: SafetensorsLimits = {}): Promise<OpenedSafetensors> {
  const options = { ...limits, totalBytes: source.byteLength }
  const first = await readPiece(source, 0, Math.min(lengthBytes, source.byteLength))
  const head = await readPiece(source, 0, safetensorsHeadBytes(first, options))
  const { entries, metadata } = readSafetensorsHeader(head, options)
  const tensors = new Map(Array.from(entries, ([name, { dtype, ...place }]) => [name, { type: dtype, ...place, source }] as const))
  return { tensors, metadata }
}
