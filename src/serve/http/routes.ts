import type { FastifyReply, FastifyRequest } from 'fastify'
import { ApiError } from '../api-error.ts'
import type { Exchange } from './exchange.ts'

export interface Route {
  readonly method: 'GET' | 'POST'
  readonly path: string
  /** Who may ask. All but what says `public` needs a key, what is not in the table too. */
  readonly access: 'key' | 'public'
  handle(request: FastifyRequest, reply: FastifyReply, exchange: Exchange | undefined): Promise<unknown>
}

/** What a request asked for that no route answers: another method where the path has some, or nothing that there is. */
export function noRoute(routes: readonly Route[], request: FastifyRequest, reply: FastifyReply): ApiError {
  const path = request.url.split('?', 1)[0]!
  const methods = [...new Set(routes.filter((route) => fits(route.path, path)).map(({ method }) => method))]
  if (methods.length === 0) {
    return new ApiError('there is nothing at this path', { status: 404, type: 'not_found_error', code: 'unknown_path' })
  }
  reply.header('allow', methods.join(', '))
  const details = { status: 405, type: 'invalid_request_error', code: 'method_not_allowed' } as const
  return new ApiError(`this path takes ${methods.join(' and ')} requests only`, details)
}

function fits(pattern: string, path: string): boolean {
  const [wanted, given] = [pattern.split('/'), path.split('/')]
  return wanted.length === given.length && wanted.every((part, i) => part === given[i] || (part.startsWith(':') && given[i] !== ''))
}
