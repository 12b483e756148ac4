import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { BusyError } from '../../base/errors.ts'
import { unlessAborted } from '../../base/unless-aborted.ts'
import { ApiError, unavailable } from '../api-error.ts'
import type { Logger } from '../observe/log.ts'
import type { ServiceObserver } from '../observer.ts'
import { prefixKey } from '../prefix-key.ts'
import type { Endpoint, PathParameters } from '../service.ts'
import { Connections, pipelineDepth } from './connections.ts'
import { Exchange, verdictOf } from './exchange.ts'
import { bodySize, checkBodyHeaders, checkExpectation, checkHost, checkOrigin, crossOrigin, hasBody } from './guards.ts'
import { bodyWithId, httpErrorOf } from './http-errors.ts'
import { Keyring } from './keys.ts'
import { openFastify, type TlsFiles } from './open-fastify.ts'
import { sendJson } from './operations.ts'
import { parseBody } from './parse-body.ts'
import { answerSocket, answerUnread, connectionError } from './raw-answer.ts'
import { noRoute, type Route } from './routes.ts'
import { answerInTime, leave, sendEvents, streamHeaders, wantsEvents } from './send-events.ts'
import type { CheckedOptions } from './server-options.ts'

/** What the HTTP side of a server needs to know. */
export interface AppSetup {
  readonly options: CheckedOptions
  readonly tls: TlsFiles | undefined
  /** Once the logger is there. */
  readonly routes: (app: HttpApp) => readonly Route[]
  readonly observer: (app: HttpApp) => ServiceObserver
}

/** From the socket to the routes: who may ask, what is refused, and what becomes of each request. */
export class HttpApp {
  readonly fastify: FastifyInstance
  readonly routes: readonly Route[]
  readonly connections: Connections
  readonly #options: CheckedOptions
  readonly #keys: Keyring
  readonly #observer: ServiceObserver
  readonly #exchanges = new Map<FastifyRequest, Exchange>()
  #idle: (() => void)[] = []
  draining = false

  constructor({ options, tls, routes, observer }: AppSetup) {
    this.#options = options
    this.#keys = new Keyring(options.keys)
    this.connections = new Connections(options.limits.connections)
    this.fastify = openFastify(options, tls, {
      connections: this.connections,
      connectionFailed: (error, socket) => this.#connectionFailed(error, socket),
      unroutable: (error, request, reply) => this.#unroutable(error, request, reply),
    })
    this.#observer = observer(this)
    this.routes = routes(this)
    this.#register()
  }

  get log(): Logger {
    return this.fastify.log
  }

  /** Requests that are being answered. */
  get pending(): readonly Exchange[] {
    return [...this.#exchanges.values()]
  }

  async untilIdle(): Promise<void> {
    if (this.#exchanges.size > 0) await new Promise<void>((resolve) => this.#idle.push(resolve))
  }

  #register(): void {
    const app = this.fastify
    app.removeAllContentTypeParsers()
    app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, bytes, done) => {
      const exchange = this.#exchanges.get(request)
      if (exchange) exchange.held = bytes.length
      try {
        done(null, parseBody(bytes as Uint8Array, this.#options.limits))
      } catch (error) {
        done(error as Error)
      }
    })
    app.addHook('onRequest', (request, reply, done) => {
      try {
        if (this.#admit(request, reply)) done()
      } catch (error) {
        done(error as Error)
      }
    })
    app.setErrorHandler((error, request, reply) => this.#refuse(error, request, reply))
    app.setNotFoundHandler((request, reply) => this.#refuse(noRoute(this.routes, request, reply), request, reply))
    for (const { method, path, access, handle } of this.routes) {
      app.route({
        method: access === 'public' ? [method, 'HEAD'] : method,
        url: path,
        handler: (request, reply) => handle(request, reply, this.#exchanges.get(request)),
      })
    }
  }

  /** The way of every request, before its body is read. False when it is answered already. */
  #admit(request: FastifyRequest, reply: FastifyReply): boolean {
    reply.header('x-request-id', request.id).header('cache-control', 'no-store').header('x-content-type-options', 'nosniff')
    const { socket } = request.raw
    const connection = this.connections.find(socket)
    // Answers that pile up behind one that waits are kept until then; and Node rests such a connection, and would not notice that its
    // client leaves.
    if (connection === undefined || connection.exchanges.size >= pipelineDepth || socket.isPaused()) {
      socket.destroy()
      return false
    }
    if (connection.surplus) reply.header('connection', 'close')
    checkHost(request)
    checkExpectation(request)
    if (this.#isPublic(request)) {
      checkBodyHeaders(request, this.#options.limits)
      return true
    }
    const { hosts, cors, limits } = this.#options
    const caller = this.#keys.nameOf(request.headers.authorization)
    const exchange = this.#begin(request, reply, caller)
    if (connection.surplus) throw unavailable('the server has all the connections that it takes', 'too_many_connections')
    if (this.#keys.size === 0 && !this.#options.withoutKeys) checkOrigin(request, hosts, cors.origins)
    if (crossOrigin(request, reply, cors.origins)) {
      reply.code(204).send()
      return false
    }
    if (this.#keys.size > 0 && caller === undefined) {
      reply.header('www-authenticate', 'Bearer')
      throw unauthenticated(request.headers.authorization)
    }
    if (request.is404) throw noRoute(this.routes, request, reply)
    if (this.draining) throw unavailable('the server is stopping', 'draining')
    checkBodyHeaders(request, limits)
    this.#hold(exchange, bodySize(request, limits))
    if (request.headers.expect !== undefined) reply.raw.writeContinue()
    return true
  }

  /** Bodies are in memory from their first byte until their request ends. */
  #hold(exchange: Exchange, bytes: number): void {
    const held = this.pending.reduce((total, one) => total + one.held, 0)
    if (held > 0 && held + bytes > this.#options.limits.allBodiesBytes)
      throw new BusyError('the server holds all the bodies that it takes')
    exchange.held = bytes
  }

  #isPublic({ is404, method, routeOptions: { url } }: FastifyRequest): boolean {
    if (is404) return false
    return this.routes.some(({ path, access, ...route }) => {
      return access === 'public' && path === url && (method === route.method || method === 'HEAD')
    })
  }

  #begin(request: FastifyRequest, reply: FastifyReply, caller = ''): Exchange {
    const { raw } = request
    const path = request.is404 ? '(unknown)' : (request.routeOptions.url ?? '(unknown)')
    const [traceparent, tracestate] = [raw.headers.traceparent, raw.headers.tracestate].map((value) => cleanTrace(value))
    const observer = this.#observer.begin({
      path,
      id: request.id,
      ...(caller && { caller }),
      ...(traceparent && { traceparent }),
      ...(tracestate && { tracestate }),
    })
    const siblings = this.connections.find(raw.socket)?.exchanges
    const exchange = new Exchange(reply.raw, { id: request.id, caller, observer }, this.#options.limits.totalTime + 1_000, () => {
      siblings?.delete(exchange)
      this.#exchanges.delete(request)
      if (this.#exchanges.size === 0) for (const resolve of this.#idle.splice(0)) resolve()
    })
    siblings?.add(exchange)
    this.#exchanges.set(request, exchange)
    return exchange
  }

  /** Answers a request of an endpoint. */
  async serve(endpoint: Endpoint, request: FastifyRequest, reply: FastifyReply, exchange: Exchange): Promise<unknown> {
    const answering = endpoint.answer({ body: request.body, parameters: request.params as PathParameters }, exchange.call)
    const { silence } = this.#options.limits
    const timely = wantsEvents(request.body) ? answerInTime(answering, silence) : answering
    const answer = await unlessAborted(timely, exchange.signal).catch((error: unknown) => {
      // What comes too late is left.
      answering.then(
        (late) => (late.kind === 'events' ? leave(late.events) : undefined),
        () => undefined,
      )
      throw error
    })
    const prefix = prefixKey(request.body)
    if (prefix !== undefined) reply.header('x-nextx-prefix', prefix)
    if (this.draining) reply.header('connection', 'close')
    if (answer.kind === 'json') return sendJson(reply, answer.body)
    reply.hijack()
    reply.raw.writeHead(200, { ...(reply.getHeaders() as Record<string, string>), ...streamHeaders })
    const failed = (error: unknown) => this.#note(httpErrorOf(error, this.#options.limits), exchange.id)
    await sendEvents(reply.raw, answer.events, { exchange, silence, failed })
    return reply
  }

  #refuse(error: unknown, request: FastifyRequest, reply: FastifyReply): void {
    const exchange = this.#exchanges.get(request)
    const known = httpErrorOf(error, this.#options.limits)
    if (exchange?.wanted === false || reply.raw.headersSent || reply.raw.destroyed) {
      reply.hijack()
      reply.raw.destroy()
      return
    }
    exchange?.judge(verdictOf(known))
    this.#note(known, request.id)
    reply.code(known.status).type('application/json; charset=utf-8')
    if (known.retryAfter !== undefined) reply.header('retry-after', String(known.retryAfter))
    if (this.draining) reply.header('connection', 'close')
    const body = JSON.stringify(bodyWithId(known, request.id))
    if (!request.raw.complete && hasBody(request)) answerUnread(request, reply, body)
    else reply.send(body)
  }

  /** What went wrong inside, which the client is not told. */
  #note({ status, code, cause }: ApiError, id: string): void {
    if (status < 500 || cause === undefined) return
    this.log.error({ id, code, err: cause }, 'a request failed')
  }

  /** Paths that cannot be read reach no hook; they need a key like others. */
  #unroutable(error: unknown, request: FastifyRequest, reply: FastifyReply): void {
    reply.header('x-request-id', request.id)
    const known = this.#keys.size === 0 || this.#keys.nameOf(request.headers.authorization) !== undefined
    this.#refuse(known ? error : unauthenticated(request.headers.authorization), request, reply)
  }

  #connectionFailed(error: { readonly code?: string }, socket: Parameters<Connections['accept']>[0]): void {
    const known = connectionError(error.code)
    const exchanges = this.connections.find(socket)?.exchanges
    if (exchanges === undefined || error.code === 'ECONNRESET' || [...exchanges].some(({ begun }) => begun)) {
      socket.destroy()
      return
    }
    for (const exchange of exchanges) exchange.judge(verdictOf(known))
    answerSocket(socket, known)
  }
}

function unauthenticated(given: string | undefined): ApiError {
  const message = given === undefined ? 'an API key is needed: Authorization: Bearer <key>' : 'the API key is not known'
  return new ApiError(message, {
    status: 401,
    type: 'authentication_error',
    code: given === undefined ? 'missing_api_key' : 'invalid_api_key',
  })
}

function cleanTrace(given: string | readonly string[] | undefined): string | undefined {
  return typeof given === 'string' && /^[\x21-\x7e ]{1,512}$/.test(given) ? given : undefined
}
