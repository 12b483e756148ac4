import { monitorEventLoopDelay } from 'node:perf_hooks'
import { openServer, openService, type Server, type Service } from 'nextx/serve'
import type { EngineSpec } from '../engine/arm.ts'
import { answerRequests } from '../lib/child-arm.ts'
import { openMinimalServer } from './llama-server.ts'
import { benchBody, forEachClient, type LoadRun } from './load.ts'

// One server in a process of its own: node server-process.ts <nextx|llama.cpp>.

export type ServerRequest =
  | { readonly kind: 'open'; readonly spec: EngineSpec; readonly queue: number; readonly prefixCacheBytes?: number }
  /** What it holds now. */
  | { readonly kind: 'sample' }
  /** Delay of the event loop since the last time, in ms. */
  | { readonly kind: 'delay' }
  /** The same requests without HTTP; nextx only. */
  | { readonly kind: 'direct'; readonly run: LoadRun }

export interface ServerSample {
  /** Bytes of the process. */
  readonly resident: number
  /** Bytes of the heap in use. */
  readonly heap: number
  /** Of the event loop since the last sample, 99 % within, in ms. */
  readonly delay: number
  readonly running: number
  readonly waiting: number
  readonly users: number
  readonly requests: number
  readonly problems: readonly string[]
}

const [name] = process.argv.slice(2)
/** Milliseconds between two looks at the clock; they are part of what the histogram measures. */
const resolution = 5
const delay = monitorEventLoopDelay({ resolution })
delay.enable()
let service: Service | undefined
let server: Server | undefined

answerRequests(async (request: ServerRequest) => {
  if (request.kind === 'open') return name === 'nextx' ? openNextx(request) : openMinimalServer(request.spec)
  if (request.kind === 'direct') return direct(service!, request.run)
  return request.kind === 'sample' ? sample() : delays()
})

function delays() {
  const at = (nanoseconds: number) => Math.max(0, nanoseconds / 1e6 - resolution)
  const found = { p50: at(delay.percentile(50)), p99: at(delay.percentile(99)), most: at(delay.max) }
  delay.reset()
  return found
}

function sample(): ServerSample {
  const { rss, heapUsed } = process.memoryUsage()
  const [model] = service!.models()
  const { running, waiting } = model!.engine!.now
  const { requests } = server!.load()
  return {
    resident: rss,
    heap: heapUsed,
    delay: delays().p99,
    running,
    waiting,
    users: model!.users,
    requests,
    problems: service!.check(),
  }
}

async function openNextx({ spec, queue, prefixCacheBytes = 0 }: Extract<ServerRequest, { kind: 'open' }>): Promise<string> {
  const { file, threads, rows } = spec
  service = await openService({
    models: [{ name: 'bench', path: file }],
    threads,
    limits: { runningRows: rows, queuedRequests: queue },
    prefixCacheBytes,
  })
  await service.warmUp()
  server = await openServer(service, { port: 0, log: 'silent' })
  return server.url
}

async function direct(
  asked: Service,
  { clients, requests, prompt, tokens }: LoadRun,
): Promise<{ readonly total: number; readonly tokens: number }> {
  let count = 0
  const start = performance.now()
  await forEachClient({ clients, requests }, async (index) => {
    const answer = await asked.answer('/v1/completions', benchBody(index, prompt, tokens))
    if (answer.kind === 'events') for await (const { data } of answer.events) if (data !== '[DONE]') count++
  })
  return { total: performance.now() - start, tokens: count }
}
