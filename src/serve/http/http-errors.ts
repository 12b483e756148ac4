import { ApiError, type ApiErrorBody, apiErrorOf, bodyOf } from '../api-error.ts'
import type { ServeLimits } from '../limits.ts'
import { bodyTooLarge } from './guards.ts'

type Row = readonly [status: number, code: string, message: string]

/** What Fastify refuses by itself, by its codes. */
const rows: Readonly<Record<string, Row>> = {
  FST_ERR_CTP_INVALID_MEDIA_TYPE: [415, 'unsupported_media_type', 'the body must be JSON: content-type: application/json'],
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: [400, 'malformed_request', 'the body is not as long as its content-length says'],
  FST_ERR_CTP_EMPTY_JSON_BODY: [400, 'empty_body', 'the body is empty; expected a JSON object'],
  FST_ERR_BAD_URL: [400, 'malformed_request', 'the path is no valid URL'],
  FST_ERR_MAX_PARAM_LENGTH: [414, 'path_too_long', 'a part of the path is too long'],
  ECONNRESET: [400, 'malformed_request', 'the request broke off'],
}

/** Any error of a request as an answer; only what says so itself tells the client anything. */
export function httpErrorOf(error: unknown, limits: ServeLimits): ApiError {
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE') return bodyTooLarge(limits)
  const row = rows[code]
  if (row === undefined) return apiErrorOf(error)
  return new ApiError(row[2], { status: row[0], type: 'invalid_request_error', code: row[1], cause: error })
}

/** The body of an error's answer; where the server is to blame, with the id under which its log has the cause. */
export function bodyWithId(error: ApiError, id: string): ApiErrorBody {
  const { error: body } = bodyOf(error)
  return { error: error.status === 500 ? { ...body, message: `${body.message} (request ${id})` } : body }
}
