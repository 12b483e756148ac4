import { Agent, request as openRequest } from 'node:http'
import { setTimeout } from 'node:timers/promises'
import { fixedIds } from '../engine/ids.ts'

/** So many clients, each of which asks again as soon as it has its answer, until all requests are made. */
export interface LoadRun {
  readonly clients: number
  readonly requests: number
  /** Ids of each prompt. */
  readonly prompt: number
  /** Tokens of each answer. */
  readonly tokens: number
}

export interface LoadTimes {
  /** From the start to the last token, in ms. */
  readonly total: number
  readonly tokens: number
  /** From the request to the first token, of each request that was answered. */
  readonly first: readonly number[]
  /** From one token to the next, of all. */
  readonly between: readonly number[]
  /** From the request to an answer of 429. */
  readonly refused: readonly number[]
  /** Answers that are neither. */
  readonly failed: readonly string[]
}

interface Seen {
  readonly first: number[]
  readonly between: number[]
  readonly refused: number[]
  readonly failed: string[]
  tokens: number
}

/** The same requests with HTTP and without. */
export function benchBody(index: number, prompt: number, tokens: number): object {
  return {
    model: 'bench',
    prompt: [...fixedIds(index, prompt)],
    max_tokens: tokens,
    temperature: 0,
    ignore_eos: true,
    stream: true,
  }
}

/** Clients that take one request after the other, until all are taken. */
export async function forEachClient(
  { clients, requests }: Pick<LoadRun, 'clients' | 'requests'>,
  work: (index: number) => Promise<void>,
): Promise<void> {
  let next = 0
  const client = async () => {
    for (let index = next++; index < requests; index = next++) await work(index)
  }
  await Promise.all(Array.from({ length: clients }, client))
}

/** Streams over HTTP from `url`, as a client of completions. One that is refused asks again after as long as it was told. */
export async function drive(url: string, { clients, requests, prompt, tokens }: LoadRun): Promise<LoadTimes> {
  const agent = new Agent({ keepAlive: true })
  const seen: Seen = { first: [], between: [], refused: [], failed: [], tokens: 0 }
  const start = performance.now()
  await forEachClient({ clients, requests }, async (index) => {
    const body = JSON.stringify(benchBody(index, prompt, tokens))
    for (
      let wait = await ask(`${url}/v1/completions`, agent, body, seen);
      wait > 0;
      wait = await ask(`${url}/v1/completions`, agent, body, seen)
    )
      await setTimeout(wait * 1000)
  })
  agent.destroy()
  return { total: performance.now() - start, ...seen }
}

/** Seconds after which to ask again; 0 when there was an answer. */
function ask(url: string, agent: Agent, body: string, seen: Seen): Promise<number> {
  const start = performance.now()
  return new Promise((resolve) => {
    const failed = (reason: string) => {
      seen.failed.push(reason)
      resolve(0)
    }
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }
    const request = openRequest(url, { method: 'POST', agent, headers }, (response) => {
      const { statusCode, headers: got } = response
      let last = start
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (piece: string) => {
        const now = performance.now()
        text += piece
        const events = text.split('\n\n')
        text = events.pop()!
        for (const event of events) last = take(event, last, now, start, seen)
      })
      response.on('error', (error) => failed(String(error)))
      response.on('end', () => {
        if (statusCode === 200) resolve(0)
        else if (statusCode === 429) {
          seen.refused.push(performance.now() - start)
          resolve(Number(got['retry-after'] ?? 1))
        } else failed(`${statusCode}: ${text.slice(0, 200)}`)
      })
    })
    request.on('error', (error) => failed(String(error)))
    request.end(body)
  })
}

/** Every event of a text is a token; the time of the last one. */
function take(event: string, last: number, now: number, start: number, seen: Seen): number {
  if (!event.startsWith('data: {')) return last
  seen.tokens++
  if (last === start) seen.first.push(now - start)
  else seen.between.push(now - last)
  return now
}
