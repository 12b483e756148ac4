import { createModel, fit, generateText, loadModel, loadSystem, openDevice, saveModel } from 'nextx'
import { type GrammarSpec, openGrammarCompiler } from 'nextx/grammars'
import { type Device, type DeviceOptions, packageData } from 'nextx/platform'
import { readTextData, textTask } from 'nextx/systems'
import { type Continuation, continueGreedily, continueWith, type Greedy } from './greedy.ts'
import { type PictureFiles, type ReadFiles, readFiles } from './pictures.ts'

/** What a test asks of the page. Arguments and answers are plain data; whatever the page throws comes back as a Failure. */
export interface Page {
  /** Continues a prompt greedily with a model on the server, on a device of its own. */
  continueGreedily(request: Greedy): Promise<Continuation>
  /** The same in a worker of the page's own. */
  continueInWorker(request: Greedy): Promise<Continuation>
  /** Loads and drops the model again and again on one device; what the device still holds after each time. */
  loadAgainAndAgain(request: Greedy, times: number): Promise<Dropped[]>
  /** What a model on the server writes under a constraint. */
  write(folder: string, form: GrammarSpec): Promise<string>
  /** What a browser refuses, by name. */
  refusals(request: Greedy): Promise<Record<string, Failure | undefined>>
  /** Trains a small model on a text on the server; the losses before and after, in nats per character, and the vocabulary's size. */
  train(text: string): Promise<{ readonly losses: readonly number[]; readonly vocabularySize: number }>
  open(options: DeviceOptions): Promise<Device['info']>
  /** Reads picture and idx files; throws what they are refused with. */
  readFiles(files: PictureFiles): Promise<ReadFiles>
}

export interface Dropped {
  readonly ids: readonly number[]
  readonly left: Awaited<ReturnType<Device['memory']>>
  /** Bytes of all WebAssembly memory, which grows and never shrinks. */
  readonly wasmBytes: number
}

/** Kept by a script that the test runs before the page's own. */
declare const wasmMemories: readonly { readonly buffer: { readonly byteLength: number } }[]

export interface Failure {
  readonly name: string
  readonly message: string
}

const page: Page = {
  continueGreedily,
  continueInWorker,
  readFiles,

  async loadAgainAndAgain(request, times) {
    await using device = await openDevice(request.device)
    const dropped: Dropped[] = []
    for (let i = 0; i < times; i++) {
      const { ids } = await continueWith(device, request)
      const wasmBytes = wasmMemories.reduce((sum, { buffer }) => sum + buffer.byteLength, 0)
      dropped.push({ ids, left: await device.memory(), wasmBytes })
    }
    return dropped
  },

  async write(folder, form) {
    await using device = await openDevice({ threads: 1 })
    await using model = await loadModel(folder, { device })
    await using grammars = await openGrammarCompiler({ tokenizer: model.tokenizer })
    const constraint = await grammars.compile(form)
    let text = ''
    const options = { constraint, seed: 3, maxTokens: 100 }
    for await (const piece of generateText(model.stepper, model.tokenizer, 'Once', options)) text += piece.text
    return text
  },

  async refusals({ device: options, model: folder }) {
    await using device = await openDevice(options)
    await using model = await loadModel(folder, { device })
    return {
      save: await failureOf(() => saveModel(model, 'mine')),
      packageData: await failureOf(async () => packageData('stories260K')),
      missing: await failureOf(() => loadModel('/models/missing', { device })),
      afterwards: await failureOf(() => continueWith(device, { device: options, model: folder, prompt: [1], tokens: 1 })),
    }
  },

  async train(text) {
    await using device = await openDevice({ threads: 1 })
    const { tokenizer, train } = await readTextData({
      documents: { format: 'text', files: text },
      tokenizer: 'characters',
      seed: 1,
    })
    const system = await loadSystem('gpt')
    const options = { ...(system.presets.tiny as object), vocabularySize: tokenizer.vocabularySize }
    await using model = await createModel({ system, options, tokenizer, device, seed: 1 })
    const losses: number[] = []
    const onEvent = (event: { readonly kind: string }) => void ('loss' in event && losses.push(Number(event.loss)))
    await fit(textTask(model, { train, batch: 2, length: 16, seed: 1 }), { device, steps: 20, learningRate: 3e-3, onEvent })
    return { losses, vocabularySize: tokenizer.vocabularySize }
  },

  async open(options) {
    await using device = await openDevice(options)
    return device.info
  },
}

/** What of a browser's Worker is used here; the types of Node know none. */
interface WebWorker {
  onmessage: (event: { readonly data: Continuation }) => void
  onerror: (event: { readonly message: string }) => void
  postMessage(request: Greedy): void
  terminate(): void
}

declare const Worker: new (url: URL, options: { readonly type: 'module' }) => WebWorker

async function continueInWorker(request: Greedy): Promise<Continuation> {
  const worker = new Worker(new URL('./worker.ts', import.meta.url), { type: 'module' })
  try {
    return await new Promise((resolve, reject) => {
      worker.onmessage = ({ data }) => resolve(data)
      worker.onerror = ({ message }) => reject(new Error(message))
      worker.postMessage(request)
    })
  } finally {
    worker.terminate()
  }
}

async function failureOf(action: () => Promise<unknown>): Promise<Failure | undefined> {
  try {
    await action()
    return undefined
  } catch (error) {
    return error instanceof Error ? { name: error.name, message: error.message } : { name: 'no error', message: String(error) }
  }
}

Object.assign(globalThis, { page, failureOf })
