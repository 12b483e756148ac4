import { OptionError } from '../../base/errors.ts'
import { readFileBytes } from '../../platform/files.ts'
import { unavailable } from '../api-error.ts'
import type { ServeLimits } from '../limits.ts'
import { logObserver } from '../observe/log.ts'
import { metricsObserver } from '../observe/metrics.ts'
import { harmless, observers } from '../observe/observers.ts'
import type { Service } from '../service.ts'
import { lastWords } from './exchange.ts'
import { HttpApp } from './http-app.ts'
import type { TlsFiles } from './open-fastify.ts'
import { operationRoutes } from './operations.ts'
import type { Route } from './routes.ts'
import { type CheckedOptions, checkServerOptions, type ServerOptions } from './server-options.ts'

export type { ServerOptions }

/** A service over HTTP. Disposing ends running requests at once; the service stays. */
export interface Server extends AsyncDisposable {
  /** Without a slash at its end. */
  readonly url: string
  readonly port: number
  readonly limits: ServeLimits
  /** Requests that are being answered, and connections. */
  load(): { readonly requests: number; readonly connections: number }
  /**
   * Takes no more requests, nor does the service; gives running ones `limits.drainTime` to end, aborts the rest, and closes.
   */
  drain(): Promise<void>
}

/**
 * Serves over HTTP what a service answers. Binds to this machine alone unless it is told otherwise.
 * @throws OptionError on unknown options, on values out of range, and on an address that others reach without keys; DataError when a
 * file of TLS cannot be read.
 * @example
 * await using server = await openServer(service, { port: 0 })
 * const answer = await fetch(`${server.url}/v1/models`)
 */
export async function openServer(service: Service, options: ServerOptions = {}): Promise<Server> {
  const checked = checkServerOptions(options)
  const tls = checked.tls && { cert: await readPem(checked.tls.certFile), key: await readPem(checked.tls.keyFile) }
  const app = appOf(service, checked, tls)
  await listen(app, checked)
  return new HttpServer(app, service, checked)
}

/** A server that does not listen yet. */
export function appOf(service: Service, checked: CheckedOptions, tls: TlsFiles | undefined): HttpApp {
  const metrics = metricsObserver({ models: () => service.models(), process: checked.processMetrics })
  return new HttpApp({
    options: checked,
    tls,
    observer: ({ log }) => {
      const failed = (error: unknown) => log.error({ err: error }, 'an observer failed')
      const given = checked.observer === undefined ? [] : [harmless(checked.observer, failed)]
      return observers(metrics, ...(checked.log === 'silent' ? [] : [logObserver(log)]), ...given)
    },
    routes: (http) => [
      ...operationRoutes({
        service,
        metrics,
        draining: () => http.draining,
        unsound: (problems) => http.log.error({ problems }, 'something is wrong inside'),
      }),
      ...service.endpoints.map((endpoint): Route => {
        const { method, path } = endpoint
        return {
          method,
          path,
          access: 'key',
          handle: (request, reply, exchange) => http.serve(endpoint, request, reply, exchange!),
        }
      }),
    ],
  })
}

async function readPem(path: string): Promise<string> {
  return new TextDecoder().decode(await readFileBytes(path, { maxBytes: 2 ** 20 }))
}

async function listen({ fastify }: HttpApp, { host, port }: CheckedOptions): Promise<void> {
  try {
    await fastify.listen({ host, port, listenTextResolver: () => 'listening' })
  } catch (cause) {
    const { code } = cause as { readonly code?: string }
    if (code === undefined) throw cause
    throw new OptionError(`openServer: cannot listen on ${host}, port ${port} (${code})`, {
      cause,
      fix: 'choose another port or address',
    })
  }
}

class HttpServer implements Server {
  readonly url: string
  readonly port: number
  readonly limits: ServeLimits
  readonly #app: HttpApp
  readonly #service: Service
  #drained: Promise<void> | undefined

  constructor(app: HttpApp, service: Service, { host, tls, limits }: CheckedOptions) {
    this.#app = app
    this.#service = service
    this.limits = limits
    this.port = (app.fastify.addresses()[0] as { readonly port: number }).port
    this.url = `${tls ? 'https' : 'http'}://${host.includes(':') ? `[${host}]` : host}:${this.port}`
  }

  load() {
    return { requests: this.#app.pending.length, connections: this.#app.connections.size }
  }

  drain(): Promise<void> {
    this.#drained ??= this.#drain(this.limits.drainTime)
    return this.#drained
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#app.draining = true
    await this.#stop()
  }

  async #drain(patience: number): Promise<void> {
    this.#app.draining = true
    const drained = this.#service
      .drain()
      .catch((error: unknown) => this.#app.log.error({ err: error }, 'the service did not drain'))
    await within(patience, Promise.all([drained, this.#app.untilIdle()]))
    await this.#stop()
  }

  async #stop(): Promise<void> {
    for (const exchange of this.#app.pending) exchange.abort(unavailable('the server is stopping', 'draining'))
    await within(lastWords, this.#app.untilIdle())
    await this.#app.fastify.close()
  }
}

/** Waits for something, but not for longer. */
async function within(milliseconds: number, work: Promise<unknown>): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const over = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, milliseconds)
  })
  await Promise.race([work, over]).finally(() => clearTimeout(timer))
}
