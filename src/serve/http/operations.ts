import type { FastifyReply } from 'fastify'
import type { Metrics } from '../observe/metrics.ts'
import type { Service } from '../service.ts'
import type { Route } from './routes.ts'

export interface OperationState {
  readonly service: Service
  readonly metrics: Metrics
  readonly draining: () => boolean
  /** Told what is wrong inside, each time that it changes. */
  readonly unsound: (problems: readonly string[]) => void
}

/** What those ask who run the server: is it alive, may requests be sent to it, how does it do. */
export function operationRoutes({ service, metrics, draining, unsound }: OperationState): Route[] {
  let known = ''
  const stateOf = (): 'draining' | 'unsound' | 'loading' | 'ready' => {
    if (draining()) return 'draining'
    const problems = problemsOf(service)
    if (problems.join() !== known) unsound(problems)
    known = problems.join()
    if (problems.length > 0) return 'unsound'
    return service.ready ? 'ready' : 'loading'
  }
  return [
    { method: 'GET', path: '/health/live', access: 'public', handle: async (_, reply) => sendJson(reply, { status: 'live' }) },
    {
      method: 'GET',
      path: '/health/ready',
      access: 'public',
      handle: async (_, reply) => {
        const status = stateOf()
        if (status !== 'ready') reply.code(503).header('retry-after', '2')
        return sendJson(reply, { status })
      },
    },
    {
      method: 'GET',
      path: '/metrics',
      access: 'key',
      handle: async (_, reply) => reply.type(metrics.contentType).send(await metrics.text()),
    },
  ]
}

function problemsOf(service: Service): readonly string[] {
  try {
    return service.check()
  } catch (error) {
    return [`the check itself: ${String(error)}`]
  }
}

export function sendJson(reply: FastifyReply, body: object): FastifyReply {
  return reply.type('application/json; charset=utf-8').send(JSON.stringify(body))
}
