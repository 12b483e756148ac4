import type { ByteRange } from './byte-source.ts'
import type { DType } from './dtype.ts'

/** Block-quantised storage, as GGUF files have it; rows are cut into blocks along the last axis. */
export type BlockType = 'q8_0' | 'q4_0' | 'q4_1' | 'q5_0' | 'q5_1' | 'q4_k' | 'q5_k' | 'q6_k'
export type StorageType = DType | BlockType

/** A tensor of a file: where it lies, not yet read. Shape and range were checked against the file. */
export interface StoredTensor extends ByteRange {
  readonly type: StorageType
  /** Outermost axis first, in elements. */
  readonly shape: readonly number[]
}

/** The tensors of a checkpoint by name. */
export type StoredTensors = ReadonlyMap<string, StoredTensor>
