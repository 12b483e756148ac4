import type { DType } from '../base/dtype.ts'
import { abs, add, cast, divide, max, maximum, multiply, round, subtract, type Tensor } from '../tensor/index.ts'

/** One array of a stored key or value: its dtype, and how many elements it has per slot of a head. */
export interface StoragePart {
  readonly dtype: DType
  width(headWidth: number): number
}

/** How keys and values `[batch, kvHead, slot, headWidth]` lie in memory. */
export interface CacheStorage {
  readonly name: StorageName
  readonly parts: readonly StoragePart[]
  store(x: Tensor): readonly Tensor[]
  load(parts: readonly Tensor[]): Tensor
}

export type StorageName = 'float32' | 'float16' | 'int8'

const whole = (dtype: DType): StoragePart => ({ dtype, width: (headWidth) => headWidth })

/** Smallest scale: a slot of zeros is stored as zeros. */
const tiny = 1e-30

export const cacheStorages: Readonly<Record<StorageName, CacheStorage>> = {
  float32: { name: 'float32', parts: [whole('float32')], store: (x) => [x], load: ([x]) => x! },
  float16: { name: 'float16', parts: [whole('float16')], store: (x) => [cast(x, 'float16')], load: ([x]) => cast(x!, 'float32') },
  /** A scale per slot and head: the largest magnitude is 127 steps; bytes count from 128. */
  int8: {
    name: 'int8',
    parts: [whole('uint8'), { dtype: 'float32', width: () => 1 }],
    store(x) {
      const scale = maximum(divide(max(abs(x), -1, { keep: true }), 127), tiny)
      return [cast(add(round(divide(x, scale)), 128), 'uint8'), scale]
    },
    load: ([bytes, scale]) => multiply(subtract(cast(bytes!, 'float32'), 128), scale!),
  },
}
