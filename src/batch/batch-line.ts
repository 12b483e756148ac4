import * as v from 'valibot'
import { DataError } from '../base/errors.ts'
import { problemOf } from '../base/options.ts'
import { sha256 } from '../platform/digest.ts'
import { ApiError } from '../serve/api-error.ts'
import { parseBody } from '../serve/http/parse-body.ts'
import { serveLimits } from '../serve/limits.ts'

/** What lines may ask for. */
export const batchUrls = [
  '/v1/chat/completions',
  '/v1/completions',
  '/v1/responses',
  '/v1/embeddings',
  '/v1/score',
  '/v1/images/generations',
  '/v1/forecasts',
] as const

/** A line of a batch file, in OpenAI's format. */
export interface BatchLine {
  /** Names the line: the output has one line for each. */
  readonly custom_id: string
  readonly method: 'POST'
  readonly url: (typeof batchUrls)[number]
  readonly body: Readonly<Record<string, unknown>>
}

/** A line on its way. */
export interface BatchRequest extends BatchLine {
  /** `batch_req_` and digits that every other line has others of. */
  readonly id: string
}

/** An object of JSON, whatever its keys. */
export const jsonObject = v.custom<Readonly<Record<string, unknown>>>(
  (value) => typeof value === 'object' && value !== null && !Array.isArray(value),
  'expected an object',
)

const lineSchema = v.strictObject({
  custom_id: v.pipe(v.string(), v.minLength(1), v.maxLength(512)),
  method: v.literal('POST'),
  url: v.picklist(batchUrls),
  body: jsonObject,
})

// The line around a body is one object more.
const { bodyDepth, ...standard } = serveLimits()
const limits = { ...standard, bodyDepth: bodyDepth + 1 }

/** @throws DataError that names the place when the line is not one of OpenAI's format, or larger or deeper than the body of any request may be. */
export function parseBatchLine(bytes: Uint8Array, place: string): BatchRequest {
  const value = jsonOf(bytes, place)
  const problem = problemOf(lineSchema, value)
  if (problem !== undefined)
    throw new DataError(`${place}: ${problem}`, { expected: 'custom_id, method, url and body, and nothing else' })
  return { ...(value as BatchLine), id: `batch_req_${sha256([bytes]).slice(0, 32)}` }
}

function jsonOf(bytes: Uint8Array, place: string): unknown {
  try {
    return parseBody(bytes, limits)
  } catch (error) {
    if (!(error instanceof ApiError)) throw error
    // What follows quotes the text, which may be private.
    const problem = error.message.replace(/^the body/, place).replace(/(?<= is not JSON):.*/s, '')
    throw new DataError(problem, { fix: 'give one JSON object a line' })
  }
}

/** These draw, a seed of the clock's making where they are given none. */
const seeded: ReadonlySet<string> = new Set(['/v1/chat/completions', '/v1/completions', '/v1/responses', '/v1/images/generations'])

/**
 * The body as the service gets it: where it draws and names no seed, it gets one of its line's name, so that a rerun, here or on another
 * machine, draws the same.
 */
export function bodyOf({ custom_id, url, body }: BatchLine): Readonly<Record<string, unknown>> {
  if (!seeded.has(url) || (body.seed !== undefined && body.seed !== null)) return body
  return { ...body, seed: Number.parseInt(sha256([new TextEncoder().encode(custom_id)]).slice(0, 8), 16) >>> 1 }
}
