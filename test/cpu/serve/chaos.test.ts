import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createRng, type Rng } from '../../../src/base/rng.ts'
import { openDevice, packageData } from '../../../src/platform/index.ts'
import { openServer, openService, type Server, type Service } from '../../../src/serve/index.ts'

const template = '{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}assistant:'
const requests = 1000
const clients = 24

interface Ask {
  readonly path: string
  readonly body: object
}

/** What is asked, over and over: each has its own answer, whatever the company. */
function repertoire(): readonly Ask[] {
  const starts = ['Once upon a time', 'The cat', 'Tom and Lily', 'One day', 'A big dog']
  return starts.flatMap((prompt, i): Ask[] => {
    const common = { model: 'stories', seed: i, temperature: 0.9 }
    const messages = [{ role: 'user', content: prompt }]
    const stream = { stream: true, stream_options: { include_usage: true } }
    return [
      { path: '/v1/completions', body: { ...common, prompt, max_tokens: 24 } },
      { path: '/v1/completions', body: { ...common, prompt, max_tokens: 40, n: 2, ...stream } },
      { path: '/v1/completions', body: { ...common, prompt: [prompt, 'Ben'], max_tokens: 5, logprobs: 2, top_p: 0.9 } },
      { path: '/v1/chat/completions', body: { ...common, messages, max_tokens: 12, stop: ['.'] } },
      { path: '/v1/chat/completions', body: { ...common, messages, max_tokens: 30, frequency_penalty: 0.5, ...stream } },
      { path: '/v1/chat/completions', body: { ...common, messages, max_tokens: 20, regex: '[a-z ]{3,30}' } },
      { path: '/v1/responses', body: { ...common, input: prompt, max_output_tokens: 16, stream: i % 2 === 0 } },
      { path: '/v1/embeddings', body: { model: 'stories', input: [prompt, 'x'] } },
      { path: '/v1/score', body: { model: 'stories', input: prompt, tokens: true } },
      { path: '/tokenize', body: { model: 'stories', prompt } },
    ]
  })
}

/** An answer without what differs from call to call: names and times. */
function essence(text: string): string {
  return text
    .replaceAll(/"(id|item_id|call_id)":"[^"]*"/g, '')
    .replaceAll(/"created(_at)?":\d+/g, '')
    .replaceAll(/"cached_tokens":\d+/g, '')
    .replaceAll(/^: .*\n\n/gm, '')
}

/** Choices of one stream come in any order; those of one choice in theirs. */
function settled(text: string): string {
  const events = text.split('\n\n')
  const choiceOf = (event: string) => /"choices":\[\{"index":(\d+)/.exec(event)?.[1] ?? ''
  return ['', '0', '1'].map((choice) => events.filter((event) => choiceOf(event) === choice).join('\n')).join('\n\n')
}

async function post(url: string, { path, body }: Ask, signal?: AbortSignal): Promise<{ status: number; text: string }> {
  const response = await fetch(url + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
    ...(signal && { signal }),
  })
  return { status: response.status, text: settled(essence(await response.text())) }
}

/** Something that no client should do. Resolves when the connection is over. */
async function misbehave(port: number, rng: Rng, turn: number, ask: Ask): Promise<void> {
  const text = JSON.stringify(ask.body)
  const head = `POST ${ask.path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: ${text.length}\r\n\r\n`
  const kinds = [
    () => `${head}${text.slice(0, text.length / 2)}`,
    () => `${head}${text.slice(0, -1)}#`,
    () => `${head}${text}`,
    () => head.slice(0, head.length / 2),
    () => `\0\x01\x02${text}\r\n\r\n`,
    () => `GET ${ask.path} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n`,
  ]
  const socket = connect(port, '127.0.0.1')
  const closed = new Promise<void>((resolve) => {
    socket.once('close', () => resolve())
    socket.once('error', () => undefined)
  })
  socket.write(kinds[Math.floor(rng.uniformAt(turn) * kinds.length)]!())
  await sleep(30 * rng.uniformAt(turn + 1))
  if (rng.uniformAt(turn + 2) < 0.5) socket.end()
  else socket.resetAndDestroy()
  const patience = setTimeout(() => socket.destroy(), 2000)
  await closed
  clearTimeout(patience)
}

const options = (prefixCacheBytes: number) => ({
  models: [{ name: 'stories', path: packageData('stories260K') }],
  chatTemplate: template,
  prefixCacheBytes,
  limits: { runningRows: 8, queuedRequests: 16, headersTime: 20_000, requestTime: 30_000 },
})

describe('a thousand requests, some of which leave or are no requests', () => {
  const resources: AsyncDisposable[] = []
  let service: Service
  let server: Server
  const quiet = new Map<string, string>()

  beforeAll(async () => {
    const device = await openDevice({ threads: 1, worker: false })
    resources.push(device)
    const alone = await openService({ ...options(0), device })
    for (const ask of repertoire()) {
      const own = await openServer(alone, { port: 0, processMetrics: false })
      const { status, text } = await post(own.url, ask)
      expect(status, text).toBe(200)
      quiet.set(JSON.stringify(ask), text)
      await own[Symbol.asyncDispose]()
    }
    await alone[Symbol.asyncDispose]()
    service = await openService({ ...options(0), device })
    await service.warmUp()
    server = await openServer(service, { port: 0, processMetrics: false, limits: options(0).limits })
    resources.push(service, server)
  }, 120_000)

  afterAll(async () => {
    for (const resource of resources.reverse()) await resource[Symbol.asyncDispose]()
  })

  it('leaves rows, bytes and sockets as they were, and gives those who stay what a quiet server gives', {
    timeout: 240_000,
  }, async () => {
    const asks = repertoire()
    const rng = createRng(6).fold('chaos')
    const before = holdings(service, server)
    const seen = { answered: 0, left: 0, refused: 0, odd: 0 }
    let next = 0
    const client = async () => {
      for (let i = next++; i < requests; i = next++) {
        const own = rng.fold(i)
        const ask = asks[Math.floor(own.uniformAt(0) * asks.length)]!
        const fate = own.uniformAt(1)
        if (fate < 0.15) {
          await misbehave(server.port, own, 2, ask)
          seen.odd++
        } else await attend(ask, fate < 0.45 ? 60 * own.uniformAt(2) : undefined, seen)
      }
    }
    const attend = async (ask: Ask, patience: number | undefined, counts: typeof seen) => {
      const controller = new AbortController()
      const timer = patience === undefined ? undefined : setTimeout(() => controller.abort(), patience)
      const answer = await post(server.url, ask, controller.signal).catch((error: unknown) => error)
      clearTimeout(timer)
      if (answer instanceof Error) {
        expect(controller.signal.aborted, String(answer.cause ?? answer)).toBe(true)
        counts.left++
      } else {
        const { status, text } = answer as { status: number; text: string }
        if (status === 429) counts.refused++
        else {
          expect(status, text).toBe(200)
          expect(text).toBe(quiet.get(JSON.stringify(ask)))
          counts.answered++
        }
      }
    }
    await Promise.all(Array.from({ length: clients }, client))
    await server.drain()
    await service.drain()
    // A socket that was closed is gone once its end is seen.
    for (let turn = 0; turn < 200 && server.load().connections > 0; turn++) await sleep(10)
    expect(holdings(service, server)).toEqual({ ...before, connections: 0 })
    expect(service.check()).toEqual([])
    expect(seen.answered + seen.left + seen.refused + seen.odd).toBe(requests)
    for (const [kind, count] of Object.entries(seen)) if (kind !== 'refused') expect(count, kind).toBeGreaterThan(50)
  })
})

function holdings(service: Service, server: Server) {
  const [model] = service.models()
  const { now } = model!.engine!
  return { ...now, users: model!.users, stateBytes: model!.stateBytes, ...server.load() }
}
