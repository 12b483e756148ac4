import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { getLlama, LlamaLogLevel, type Token } from 'node-llama-cpp'
import type { HostTensor } from '../../../src/base/dtype.ts'
import type { StoredTensor } from '../../../src/base/stored-tensor.ts'
import { readGguf } from '../../../src/formats/index.ts'
import { loadWeights } from '../../../src/nn/index.ts'
import { type Device, openFileSource } from '../../../src/platform/index.ts'
import { forwardText } from '../../../src/systems/export-text.ts'
import { ggufModel } from '../../../src/systems/gguf-model.ts'
import { ggufFactorTensors } from '../../../src/systems/gguf-places.ts'
import { systemForConfig } from '../../../src/systems/registry.ts'
import { compile, int32 } from '../../../src/tensor/index.ts'

/** Logits `[position][token]` of a GGUF file's network. */
export type Logits = (path: string, tokens: readonly number[]) => Promise<number[][]>

/** llama.cpp on one thread, with caches of float32, and a folder for files. */
export async function startLlamaCpp(): Promise<{ folder: string; logits: Logits; close: () => Promise<void> }> {
  const folder = mkdtempSync(join(tmpdir(), 'nextx-networks-'))
  const llama = await getLlama({ gpu: false, maxThreads: 1, logLevel: LlamaLogLevel.disabled, build: 'never' })
  return {
    folder,
    async logits(path, tokens) {
      const model = await llama.loadModel({ modelPath: path, gpuLayers: 0 })
      const types = { experimentalKvCacheKeyType: 'F32', experimentalKvCacheValueType: 'F32' } as const
      const context = await model.createContext({ contextSize: tokens.length + 8, threads: 1, flashAttention: false, ...types })
      const items = tokens.map((token): [Token, { generateNext: { logits: true } }] => [
        token as Token,
        { generateNext: { logits: true } },
      ])
      const results = await context.getSequence().controlledEvaluate(items)
      const rows = results.map((result) => {
        const byToken = result!.next.logits!
        return Array.from({ length: byToken.size }, (_, token) => byToken.get(token as Token)!)
      })
      await context.dispose()
      await model.dispose()
      return rows
    },
    close: async () => {
      await llama.dispose()
      rmSync(folder, { recursive: true })
    },
  }
}

/** nextx, computing the whole sequence at once. */
export function nextxLogits(device: Device): Logits {
  return async (path, tokens) => {
    await using source = await openFileSource(path)
    const gguf = await readGguf(source)
    const factors = new Map<string, Float32Array>()
    for (const name of ggufFactorTensors) {
      const stored = gguf.tensors.get(name)
      if (stored !== undefined) factors.set(name, (await read(stored)).data as Float32Array)
    }
    const { config, place } = ggufModel(gguf, factors)
    const system = await systemForConfig(config)
    const network = system.build(system.readConfig(config))
    const tensors = new Map<string, HostTensor>()
    for (const [name, stored] of gguf.tensors) tensors.set(name, await read(stored))
    await loadWeights(network, tensors, place)
    const program = compile({ ids: int32(1, 'T') }, ({ ids }) => ({ logits: forwardText(network, ids) }), { device, frozen: true })
    const { logits } = await program.run({ ids: { dtype: 'int32', shape: [1, tokens.length], data: Int32Array.from(tokens) } })
    await program.dispose()
    const width = logits.shape[2]!
    const values = logits.data as Float32Array
    return tokens.map((_, i) => [...values.subarray(i * width, (i + 1) * width)])
  }
}

async function read({ type, shape, source, byteOffset, byteLength }: StoredTensor): Promise<HostTensor> {
  if (type !== 'float32') throw new Error(`these tests store float32, not ${type}`)
  const bytes = (await source.read(byteOffset, byteLength)).slice()
  return { dtype: 'float32', shape, data: new Float32Array(bytes.buffer) }
}
