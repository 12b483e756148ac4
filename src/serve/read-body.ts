import * as v from 'valibot'
import { shortened } from '../base/options.ts'
import { ApiError, invalid } from './api-error.ts'

export type BodySchema<Body> = v.GenericSchema<unknown, Body>

/**
 * The body of a request, checked. Throws ApiError with the path of the first field that is missing, unknown, of the wrong type or out of
 * range; what clients send as null counts as left out.
 */
export function readBody<Body>(schema: BodySchema<Body>, body: unknown): Body {
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    throw new ApiError('the body is no JSON object', { status: 422, type: 'invalid_request_error', code: 'invalid_type' })
  const { success, output, issues } = v.safeParse(schema, withoutNulls(body), { abortEarly: true })
  if (success) return output
  throw problemOf(issues[0]!)
}

function problemOf(issue: v.BaseIssue<unknown>): ApiError {
  const path = shortened(v.getDotPath(issue) ?? '', 100)
  const param = path === '' ? undefined : path
  if (issue.expected === 'never') return invalid(param, `unknown or unsupported field '${path}'`, 'unknown_field')
  if (issue.received === 'undefined') return invalid(param, `the field '${path}' is missing`, 'missing_field')
  const code = issue.kind === 'schema' ? 'invalid_type' : 'invalid_value'
  return invalid(param, `${path}: ${shortened(issue.message)}`, code)
}

/** Clients write null for what they do not want to say. */
function withoutNulls(body: object): object {
  return Object.fromEntries(Object.entries(body).filter(([, value]) => value !== null))
}
