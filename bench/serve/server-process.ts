import { monitorEventLoopDelay } from 'node:perf_hooks'
import { openServer, openService, type Service } from 'nextx/serve'
import type { EngineSpec } from '../engine/arm.ts'
import { fixedIds } from '../engine/ids.ts'
import { answerRequests } from '../lib/child-arm.ts'
import { openMinimalServer } from './llama-server.ts'
import type { LoadRun } from './load.ts'

// One server in a process of its own: node server-process.ts <nextx|llama.cpp>.

export type ServerRequest =
  | { readonly kind: 'open'; readonly spec: EngineSpec; readonly queue: number }
  /** Delay of the event loop since the last time, in ms. */
  | { readonly kind: 'delay' }
  /** The same requests without HTTP; nextx only. */
  | { readonly kind: 'direct'; readonly run: LoadRun }

const [name] = process.argv.slice(2)
const delay = monitorEventLoopDelay({ resolution: 5 })
delay.enable()
let service: Service | undefined

answerRequests(async (request: ServerRequest) => {
  if (request.kind === 'open') return name === 'nextx' ? openNextx(request) : openMinimalServer(request.spec)
  if (request.kind === 'direct') return direct(service!, request.run)
  const found = { p50: delay.percentile(50) / 1e6 - 5, p99: delay.percentile(99) / 1e6 - 5, most: delay.max / 1e6 - 5 }
  delay.reset()
  return found
})

async function openNextx({ spec, queue }: Extract<ServerRequest, { kind: 'open' }>): Promise<string> {
  const { file, threads, rows } = spec
  service = await openService({
    models: [{ name: 'bench', path: file }],
    threads,
    limits: { runningRows: rows, queuedRequests: queue },
    prefixCacheBytes: 0,
  })
  await service.warmUp()
  const server = await openServer(service, { port: 0, log: 'silent' })
  return server.url
}

async function direct(
  asked: Service,
  { clients, requests, prompt, tokens }: LoadRun,
): Promise<{ readonly total: number; readonly tokens: number }> {
  let [next, count] = [0, 0]
  const start = performance.now()
  const client = async () => {
    for (let index = next++; index < requests; index = next++) {
      const body = {
        model: 'bench',
        prompt: [...fixedIds(index, prompt)],
        max_tokens: tokens,
        temperature: 0,
        ignore_eos: true,
        stream: true,
      }
      const answer = await asked.answer('/v1/completions', body)
      if (answer.kind === 'events') for await (const { data } of answer.events) if (data !== '[DONE]') count++
    }
  }
  await Promise.all(Array.from({ length: clients }, client))
  return { total: performance.now() - start, tokens: count }
}
