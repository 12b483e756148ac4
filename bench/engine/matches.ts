import { architectureTensors, resolveModel } from '../lib/gguf-architectures.ts'
import { type GgufType, ggufTypes } from '../lib/gguf-blocks.ts'
import { type BenchSize, benchGguf, benchModels } from '../lib/gguf-files.ts'
import type { EngineSpec } from './arm.ts'
import type { EngineName } from './arms.ts'

/** How the weights are stored. In the last, nextx packs the float32 file itself, in blocks of 128; llama.cpp has blocks of 32 only. */
export type Weights = 'f32' | 'q8_0' | 'q4_0' | 'q4, block 128'

/** Both engines with the same weights. */
export interface Match {
  readonly size: BenchSize
  readonly weights: Weights
  readonly threads: number
}

export const matchName = ({ size, weights, threads }: Match) => `${size} ${weights}, ${threads} thread${threads > 1 ? 's' : ''}`

/** All combinations. */
export function allMatches(sizes: readonly BenchSize[], weights: readonly Weights[], threads: readonly number[]): Match[] {
  return sizes.flatMap((size) => weights.flatMap((kind) => threads.map((count) => ({ size, weights: kind, threads: count }))))
}

const storage: Readonly<Record<Weights, GgufType>> = { f32: 'f32', q8_0: 'q8_0', q4_0: 'q4_0', 'q4, block 128': 'q4_0' }

/** What an engine is opened with; writes the file where it is missing. */
export async function specOf(name: EngineName, { size, weights, threads }: Match, rows: number): Promise<EngineSpec> {
  const packs = name === 'nextx' && weights === 'q4, block 128'
  const file = await benchGguf(size, packs ? 'f32' : storage[weights])
  return { file, threads, rows, contextLength: benchModels[size].contextLength, ...(packs ? { block: 128 } : {}) }
}

const elements = (shape: readonly number[]) => shape.reduce((product, size) => product * size, 1)

/** Bytes of the weights in the file, all of them and those that a step reads: looked-up rows count nothing. */
export function weightBytes({ size, weights }: Match): { readonly stored: number; readonly read: number } {
  const model = benchModels[size]
  const { tied } = resolveModel(model)
  const { bytes, elements: block } = ggufTypes[storage[weights]]
  let [stored, read] = [0, 0]
  for (const { role, shape } of architectureTensors(model)) {
    const length = shape.length === 1 ? 4 * elements(shape) : (elements(shape) / block) * bytes
    stored += length
    if (role !== 'embedding' || tied) read += length
  }
  return { stored, read }
}

/** Bytes of keys and values in float32. */
export function cacheBytes({ size }: Match, positions: number): number {
  const { layers, keyValueHeads, headWidth } = resolveModel(benchModels[size])
  return 2 * layers * keyValueHeads * headWidth * positions * 4
}
