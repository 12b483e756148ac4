import type { BlockType, StorageType } from '../base/stored-tensor.ts'

/** A block type packs this many consecutive elements of a row into this many bytes. */
export interface BlockSize {
  readonly elements: number
  readonly bytes: number
}

/** As ggml defines them: scales in float16, then what each element adds. */
export const blockSizes: Readonly<Record<BlockType, BlockSize>> = {
  q8_0: { elements: 32, bytes: 34 },
  q4_0: { elements: 32, bytes: 18 },
  q4_1: { elements: 32, bytes: 20 },
  q5_0: { elements: 32, bytes: 22 },
  q5_1: { elements: 32, bytes: 24 },
  q4_k: { elements: 256, bytes: 144 },
  q5_k: { elements: 256, bytes: 176 },
  q6_k: { elements: 256, bytes: 210 },
}

export function isBlockType(type: StorageType): type is BlockType {
  return Object.hasOwn(blockSizes, type)
}
