import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Worker } from 'node:worker_threads'
import * as tf from '@tensorflow/tfjs-core'

type BlobArguments = [parts?: ConstructorParameters<typeof Blob>[0], options?: ConstructorParameters<typeof Blob>[1]]

/**
 * Starts the backend with its thread pool. tfjs-wasm 4.22.0 turns threads off in Node (tensorflow/tfjs#3830), because its thread
 * scripts are blobs that Node's workers cannot open; here they are handed over as files. The pool takes half the logical cores that
 * it sees while it starts, and in Node ignores setThreadsCount.
 */
export async function withThreads(threads: number, start: () => Promise<boolean>): Promise<void> {
  const require = createRequire(import.meta.url)
  const system = require('node:os') as { cpus: () => object[] }
  const originalCpus = system.cpus
  const folder = mkdtempSync(join(tmpdir(), 'tfjs-threads-'))
  const restore = serveThreadScripts(require('node:worker_threads'), folder)
  system.cpus = () =>
    originalCpus()
      .concat(Array.from({ length: 2 * threads }, () => ({})))
      .slice(0, 2 * threads)
  try {
    tf.env().set('WASM_HAS_MULTITHREAD_SUPPORT', true)
    await start()
  } finally {
    system.cpus = originalCpus
    restore()
    rmSync(folder, { recursive: true })
  }
}

function serveThreadScripts(module: { Worker: typeof Worker }, folder: string): () => void {
  const original = { Worker: module.Worker, Blob: globalThis.Blob, createObjectURL: URL.createObjectURL }
  const sources = new Map<unknown, string>()
  let files = 0
  const save = (blob: unknown): string => {
    const path = join(folder, `${files++}.cjs`)
    writeFileSync(path, nodeNames + sources.get(blob)!)
    return path
  }
  globalThis.Blob = class extends original.Blob {
    constructor(...[parts = [], options]: BlobArguments) {
      super(parts, options)
      sources.set(this, (parts as unknown[]).map(String).join(''))
    }
  }
  URL.createObjectURL = save
  module.Worker = class extends original.Worker {
    override postMessage(message: { readonly urlOrBlob?: unknown }): void {
      super.postMessage(sources.has(message.urlOrBlob) ? { ...message, urlOrBlob: save(message.urlOrBlob) } : message)
    }
  }
  return () => {
    module.Worker = original.Worker
    globalThis.Blob = original.Blob
    URL.createObjectURL = original.createObjectURL
  }
}

// What the bundler called Node's modules: the main script is a function turned to text, which loses them.
const nodeNames = `
var require$$0 = require('fs'), require$$1 = require('path'), require$$3 = require('perf_hooks'), require$$4 = require('os');
var commonjsGlobal = globalThis;
`
