import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Token } from 'node-llama-cpp'
import type { EngineSpec } from '../engine/arm.ts'
import { openSequences, type Sequence } from '../engine/llama-cpp.ts'

interface Body {
  readonly prompt: readonly number[]
  readonly max_tokens: number
}

/** llama.cpp behind the least of HTTP: no checks, no limits, no keys. Requests that find no sequence free wait for one. */
export async function openMinimalServer(spec: EngineSpec): Promise<string> {
  const { model, sequences } = await openSequences(spec)
  const free = [...sequences]
  const waiting: ((sequence: Sequence) => void)[] = []
  const take = async () => free.pop() ?? new Promise<Sequence>((resolve) => waiting.push(resolve))
  const give = (sequence: Sequence) => {
    const next = waiting.shift()
    if (next === undefined) free.push(sequence)
    else next(sequence)
  }
  const server = createServer(async (request, response) => {
    const body = await readBody(request)
    response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders()
    const sequence = await take()
    try {
      await answer(sequence, body, (tokens) => model.detokenize(tokens), response)
    } finally {
      give(sequence)
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

async function answer(
  sequence: Sequence,
  { prompt, max_tokens }: Body,
  textOf: (tokens: Token[]) => string,
  response: ServerResponse,
): Promise<void> {
  await sequence.clearHistory()
  let count = 0
  for await (const token of sequence.evaluate([...prompt] as Token[], { temperature: 0, yieldEogToken: true })) {
    const last = ++count === max_tokens
    const choices = [{ index: 0, text: textOf([token]), logprobs: null, finish_reason: last ? 'length' : null }]
    response.write(`data: ${JSON.stringify({ id: 'cmpl-0', object: 'text_completion', created: 0, model: 'bench', choices })}\n\n`)
    if (last) break
  }
  response.end('data: [DONE]\n\n')
}

async function readBody(request: IncomingMessage): Promise<Body> {
  const pieces: Buffer[] = []
  for await (const piece of request) pieces.push(piece as Buffer)
  return JSON.parse(Buffer.concat(pieces).toString()) as Body
}
