import { getLlama, type LlamaContext, LlamaLogLevel, type Token } from 'node-llama-cpp'
import { median } from 'simple-statistics'
import type { DecodeRun, DecodeTimes, EngineSpec, ExtendRun, RunningEngine } from './arm.ts'
import { fixedIds } from './ids.ts'
import { serveAll } from './serve-all.ts'
import { stopwatch } from './stopwatch.ts'

/** A context of llama.cpp, through node-llama-cpp, whose own scheduler batches its sequences. */
export async function openSequences({ file, threads, rows, contextLength }: EngineSpec) {
  const llama = await getLlama({ gpu: false, build: 'never', maxThreads: threads, logLevel: LlamaLogLevel.error })
  const model = await llama.loadModel({ modelPath: file, gpuLayers: 0 })
  const batches: number[] = []
  const context = await model.createContext({
    contextSize: contextLength,
    sequences: rows,
    threads: { ideal: threads, min: threads },
    batchSize: Math.max(512, rows),
    batching: {
      // Everything queued goes into the next call as far as it fits: what 'maximumParallelism' does, with a count of the sequences.
      itemPrioritizationStrategy: ({ items, size }) => {
        batches.push(items.length)
        return shareBatch(items, size)
      },
    },
  })
  const sequences = Array.from({ length: rows }, () => context.getSequence())
  return { llama, model, sequences, batches }
}

/** llama.cpp as an arm. */
export async function openLlamaCpp(spec: EngineSpec): Promise<RunningEngine> {
  const { llama, sequences, batches } = await openSequences(spec)
  return {
    description: `llama.cpp ${llama.llamaCppRelease.release}: ${llama.systemInfo.trim()}`,
    decode: (run) => decode(sequences, run, batches),
    extend: (run) => extend(sequences[0]!, run),
    serve: ({ requests, rows: most }) => serveAll(requests, most, (row, ids, tokens) => stream(sequences[row]!, ids, tokens)),
  }
}

export type Sequence = ReturnType<LlamaContext['getSequence']>

/** Tokens of each queued item in turn, until the batch is full. */
function shareBatch<Item extends { readonly tokens: readonly unknown[] }>(items: readonly Item[], size: number) {
  let left = size
  return items.map((item, i) => {
    const fair = Math.max(1, Math.floor(left / (items.length - i)))
    const processAmount = Math.min(item.tokens.length, fair, left)
    left -= processAmount
    return { item, processAmount }
  })
}

const tokensOf = (ids: Int32Array) => [...ids] as Token[]
const greedy = { temperature: 0, yieldEogToken: true } as const

async function decode(sequences: readonly Sequence[], { rows, prompt, steps }: DecodeRun, batches: number[]): Promise<DecodeTimes> {
  const used = sequences.slice(0, rows)
  for (const sequence of used) await sequence.clearHistory()
  const ids = used.map((_, row) => tokensOf(fixedIds(row, prompt + steps)))
  const streams = used.map((sequence, row) => sequence.evaluate(ids[row]!.slice(0, prompt), greedy))
  const lap = stopwatch()
  const first = await Promise.all(streams.map((stream) => stream.next()))
  const prompted = lap()
  const likeliest = [first[0]!.value as number]
  batches.length = 0
  for (let step = 0; step < steps; step++) {
    const next = await Promise.all(streams.map((stream, row) => stream.next(ids[row]![prompt + step]!)))
    likeliest.push(next[0]!.value as number)
  }
  const stepped = lap()
  const together = steps === 0 ? rows : median(batches)
  for (const stream of streams) await stream.return()
  return { prompt: prompted, steps: stepped, together, likeliest }
}

/** Logits of the last token only: node-llama-cpp draws from each row of them one by one, at a higher cost than the network's. */
async function extend(sequence: Sequence, { prefix, tokens, times }: ExtendRun): Promise<number[]> {
  const ids = tokensOf(fixedIds(0, prefix + tokens))
  const given = ids.slice(prefix)
  const milliseconds: number[] = []
  await sequence.clearHistory()
  await sequence.evaluateWithoutGeneratingNewTokens(ids.slice(0, prefix))
  for (let i = 0; i < times; i++) {
    const start = performance.now()
    await sequence.controlledEvaluate([
      ...given.slice(0, -1),
      [given.at(-1)!, { generateNext: { token: true, options: { temperature: 0 } } }],
    ])
    milliseconds.push(performance.now() - start)
    await sequence.eraseContextTokenRanges([{ start: prefix, end: prefix + tokens }])
  }
  return milliseconds
}

async function* stream(sequence: Sequence, ids: Int32Array, tokens: number): AsyncGenerator<number> {
  await sequence.clearHistory()
  let count = 0
  for await (const token of sequence.evaluate(tokensOf(ids), greedy)) {
    yield token
    if (++count === tokens) return
  }
}
