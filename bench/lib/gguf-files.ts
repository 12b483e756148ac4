import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { GgufModel } from './gguf-architectures.ts'
import type { GgufType } from './gguf-blocks.ts'
import { writeGguf } from './gguf-writer.ts'

const shared = { architecture: 'llama', vocabularySize: 32000, contextLength: 1024 } as const

/** The sizes that the benchmarks compare: those of stories15M and stories110M, a deeper one, and TinyLlama's. */
export const benchModels = {
  '15M': { ...shared, width: 288, layers: 6, heads: 6, hidden: 768, tiedHead: true },
  '110M': { ...shared, width: 768, layers: 12, heads: 12, hidden: 2048, tiedHead: true },
  '410M': { ...shared, width: 1024, layers: 24, heads: 16, hidden: 3328 },
  '1B': { ...shared, width: 2048, layers: 22, heads: 32, keyValueHeads: 4, hidden: 5632 },
} as const satisfies Record<string, GgufModel>

export type BenchSize = keyof typeof benchModels

/** Path of the file with these random weights; written under `runs/gguf/` where it is missing. */
export async function benchGguf(size: BenchSize, type: GgufType): Promise<string> {
  const path = fileURLToPath(new URL(`../../runs/gguf/random-${size}-${type}.gguf`, import.meta.url))
  if (!existsSync(path)) await writeGguf(path, benchModels[size], { type })
  return path
}
