import { FormatError } from '../../base/errors.ts'
import { jsonExceeds, parseJson } from '../../formats/json.ts'
import { ApiError, tooLarge } from '../api-error.ts'
import type { ServeLimits } from '../limits.ts'

/**
 * The JSON of a body. Objects have no prototype, so that `__proto__` is a key like any other.
 * @throws ApiError 400 on what is not UTF-8 or not JSON, repeats a key, or holds a number that is none; 413 when nested too deep or of too many parts.
 */
export function parseBody(bytes: Uint8Array, { bodyDepth, bodyParts, bodyBytes }: ServeLimits): unknown {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
    const broken = jsonExceeds(text, { depth: bodyDepth, parts: bodyParts })
    if (broken === 'depth')
      throw tooLarge(undefined, `the body is nested deeper than ${bodyDepth} arrays and objects`, 'body_too_deep')
    if (broken === 'parts')
      throw tooLarge(undefined, `the body has more than ${bodyParts} arrays, objects and members`, 'body_too_complex')
    const body = parseJson(text, { what: 'the body', maxBytes: bodyBytes, maxDepth: bodyDepth, refuseDuplicates: true })
    if (mayOverflow.test(text) && hasInfinity(body)) throw malformed('the body has a number that is too large')
    return body
  } catch (error) {
    if (error instanceof FormatError) throw malformed(error.message)
    // What the decoder says of bytes that are no text.
    if (error instanceof TypeError) throw malformed('the body is not UTF-8')
    throw error
  }
}

function malformed(message: string): ApiError {
  return new ApiError(message, { status: 400, type: 'invalid_request_error', code: 'malformed_body' })
}

/** Numbers above 1.8e308, which JSON.parse makes infinite, have an exponent of three digits, or 200 digits and more. */
const mayOverflow = /[eE]\+?\d{3}|\d{200}/

function hasInfinity(root: unknown): boolean {
  const pending: unknown[] = [root]
  while (pending.length > 0) {
    const value = pending.pop()
    if (typeof value === 'number' && !Number.isFinite(value)) return true
    if (typeof value === 'object' && value !== null) for (const inner of Object.values(value)) pending.push(inner)
  }
  return false
}
