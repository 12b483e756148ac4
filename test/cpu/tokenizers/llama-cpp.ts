import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { getLlama, LlamaLogLevel } from 'node-llama-cpp'

export interface LlamaCppTokenizer {
  /** Ids of a text, without start and end; names of control tokens are text. */
  encode(text: string): number[]
  close(): Promise<void>
}

/** llama.cpp's tokenizers, on one thread. */
export interface LlamaCpp {
  /** The tokenizer of a GGUF file, given as its bytes or its path. */
  open(file: Uint8Array | string): Promise<LlamaCppTokenizer>
  close(): Promise<void>
}

export async function startLlamaCpp(): Promise<LlamaCpp> {
  const folder = mkdtempSync(join(tmpdir(), 'nextx-'))
  const llama = await getLlama({ gpu: false, maxThreads: 1, logLevel: LlamaLogLevel.disabled, build: 'never' })
  let files = 0
  return {
    open: async (file) => {
      const path = typeof file === 'string' ? file : join(folder, `${files++}.gguf`)
      if (typeof file !== 'string') writeFileSync(path, file)
      const model = await llama.loadModel({ modelPath: path, vocabOnly: true, gpuLayers: 0 })
      return { encode: (text) => [...model.tokenize(text, false)], close: () => model.dispose() }
    },
    close: async () => {
      await llama.dispose()
      rmSync(folder, { recursive: true })
    },
  }
}
