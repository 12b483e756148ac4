import { shortened } from '../base/options.ts'
import { ApiError } from './api-error.ts'
import type { Endpoint, PathParameters } from './service.ts'

/** The endpoint of a path, and what varies in it. Throws ApiError where there is none. */
export function findEndpoint(endpoints: readonly Endpoint[], path: string): { endpoint: Endpoint; parameters: PathParameters } {
  for (const endpoint of endpoints) {
    const parameters = matched(endpoint.path.split('/'), path.split('/'))
    if (parameters !== undefined) return { endpoint, parameters }
  }
  const message = `there is nothing at '${shortened(path, 100)}'`
  throw new ApiError(message, { status: 404, type: 'not_found_error', code: 'unknown_path' })
}

function matched(pattern: readonly string[], path: readonly string[]): PathParameters | undefined {
  if (pattern.length !== path.length) return undefined
  const entries: [string, string][] = []
  for (const [i, part] of pattern.entries()) {
    if (part.startsWith(':')) entries.push([part.slice(1), path[i]!])
    else if (part !== path[i]) return undefined
  }
  return Object.fromEntries(entries)
}
