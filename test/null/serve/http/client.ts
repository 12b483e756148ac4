import { connect, type Socket } from 'node:net'
import { openServer, type Server, type ServerOptions } from '../../../../src/serve/http/open-server.ts'
import { type StubService, stubService } from '../stub-service.ts'

export interface TestServer extends AsyncDisposable {
  readonly server: Server
  readonly stub: StubService
  readonly url: string
  post(path: string, body: unknown, init?: RequestInit): Promise<Response>
}

/** A server over the stub, at any free port. */
export async function openTestServer(options: ServerOptions = {}, stub: StubService = stubService()): Promise<TestServer> {
  const server = await openServer(stub, { port: 0, processMetrics: false, ...options })
  return {
    server,
    stub,
    url: server.url,
    post: (path, body, init = {}) =>
      fetch(server.url + path, {
        method: 'POST',
        body: typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body),
        ...init,
        headers: { 'content-type': 'application/json', ...init.headers },
      }),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  }
}

/** A bare connection. */
export interface RawClient extends AsyncDisposable {
  readonly socket: Socket
  /** All that has come. */
  text(): string
  send(text: string | Uint8Array): void
  /** Until what has come fits. */
  until(pattern: RegExp): Promise<string>
  /** Until the other side has closed. */
  closed(): Promise<string>
}

export async function openRaw(port: number, host = '127.0.0.1'): Promise<RawClient> {
  const socket = connect({ port, host, allowHalfOpen: true })
  let text = ''
  const waiting: (() => void)[] = []
  let over = false
  const wake = () => {
    for (const one of waiting.splice(0)) one()
  }
  socket.on('data', (data) => {
    text += data.toString('latin1')
    wake()
  })
  const end = () => {
    over = true
    wake()
  }
  socket.on('error', end).on('close', end).on('end', end)
  await new Promise((resolve) => socket.once('connect', resolve).once('error', resolve))
  const change = () => new Promise<void>((resolve) => void waiting.push(resolve))
  return {
    socket,
    text: () => text,
    send: (data) => void socket.write(data),
    until: async (pattern) => {
      while (!pattern.test(text)) {
        if (over) throw new Error(`the connection closed before ${pattern}: ${text}`)
        await change()
      }
      return text
    },
    closed: async () => {
      while (!over) await change()
      return text
    },
    [Symbol.asyncDispose]: async () => void socket.destroy(),
  }
}

/** A request as it goes over the wire. */
export function rawRequest(method: string, path: string, body = '', headers: readonly string[] = []): string {
  const own = body === '' ? [] : ['content-type: application/json', `content-length: ${Buffer.byteLength(body)}`]
  return [`${method} ${path} HTTP/1.1`, 'host: 127.0.0.1', ...own, ...headers, '', body].join('\r\n')
}

/** Waits until it holds. */
export async function eventually(holds: () => boolean, milliseconds = 10_000): Promise<void> {
  const end = performance.now() + milliseconds
  while (!holds()) {
    if (performance.now() > end) throw new Error('it never came to hold')
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
}

export async function errorOf(
  response: Response,
): Promise<{ status: number; type: string; code: string; param: string | null; message: string }> {
  const { error, ...others } = (await response.json()) as {
    error: { type: string; code: string; param: string | null; message: string }
  }
  if (Object.keys(others).length > 0 || Object.keys(error).sort().join() !== 'code,message,param,type')
    throw new Error('no error of OpenAI')
  return { status: response.status, ...error }
}
