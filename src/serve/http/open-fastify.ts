import {
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  type FastifyServerOptions,
  fastify,
  LogController,
} from 'fastify'
import { OptionError } from '../../base/errors.ts'
import { ApiError } from '../api-error.ts'
import type { Connections } from './connections.ts'
import { answerSocket } from './raw-answer.ts'
import type { CheckedOptions } from './server-options.ts'

/** PEM texts. */
export interface TlsFiles {
  readonly cert: string
  readonly key: string
}

export interface SocketEvents {
  readonly connections: Connections
  /** Before there is a request. */
  readonly connectionFailed: (error: { readonly code?: string }, socket: Parameters<Connections['accept']>[0]) => void
  /** A path that cannot be read. */
  readonly unroutable: (error: Error, request: FastifyRequest, reply: FastifyReply) => void
}

/** Connections that are told that they are too many; those beyond are dropped without a word. */
const surplus = 256

/** A Fastify without routes, with the limits of everything that comes before them. */
export function openFastify(options: CheckedOptions, tls: TlsFiles | undefined, events: SocketEvents): FastifyInstance {
  const { limits, keepAliveTime, log, logTo } = options
  const common: FastifyServerOptions = {
    bodyLimit: limits.bodyBytes,
    requestTimeout: limits.requestTime,
    keepAliveTimeout: keepAliveTime,
    forceCloseConnections: true,
    exposeHeadRoutes: false,
    routerOptions: { maxParamLength: 512 },
    genReqId: ({ headers }) => cleanId(headers['x-request-id']) ?? crypto.randomUUID(),
    logger: log === 'silent' ? false : { level: log, base: null, ...(logTo && { stream: logTo }) },
    logController: new LogController({ disableRequestLogging: true }),
    clientErrorHandler: events.connectionFailed,
    frameworkErrors: (error, request, reply) => events.unroutable(error, request as FastifyRequest, reply as FastifyReply),
  }
  const app = tls ? openSecure(common, { ...nodeOptions(options), ...tls }) : openPlain(common, nodeOptions(options))
  const { server } = app
  server.maxConnections = limits.connections + surplus
  server.on(tls ? 'secureConnection' : 'connection', (socket) => events.connections.accept(socket))
  // Whether the body is wanted is said after looking at the headers.
  for (const name of ['checkContinue', 'checkExpectation']) server.on(name, (request, response) => app.routing(request, response))
  server.on('connect', (request) => answerSocket(request.socket, new ApiError('this is no proxy', proxying)))
  return app
}

function openPlain(common: FastifyServerOptions, http: object): FastifyInstance {
  return fastify({ ...common, http } as FastifyServerOptions) as FastifyInstance
}

function openSecure(common: FastifyServerOptions, https: object): FastifyInstance {
  try {
    return fastify({ ...common, https } as FastifyServerOptions) as FastifyInstance
  } catch (cause) {
    throw new OptionError('openServer: the files of TLS hold no certificate and key that belong together', {
      expected: 'two PEM files',
      cause,
    })
  }
}

const proxying = { status: 405, type: 'invalid_request_error', code: 'method_not_allowed' } as const

function nodeOptions({ limits }: CheckedOptions) {
  const headersTimeout = Math.min(limits.headersTime, limits.requestTime)
  return {
    headersTimeout,
    requestTimeout: limits.requestTime,
    connectionsCheckingInterval: Math.max(20, Math.min(headersTimeout / 4, 1_000)),
    maxHeaderSize: limits.headerBytes,
    // Finds clients that vanished without a word.
    keepAlive: true,
    keepAliveInitialDelay: 30_000,
    noDelay: true,
    // Checked by the server itself, so that the answer has the shape of all others.
    requireHostHeader: false,
  }
}

function cleanId(given: string | readonly string[] | undefined): string | undefined {
  return typeof given === 'string' && /^[\w.:-]{1,128}$/.test(given) ? given : undefined
}
