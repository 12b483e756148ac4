import * as v from 'valibot'
import { jsonObject } from './batch-line.ts'

/** Where a request stands at its end: answered (errors are answers too), or without any answer. */
export type LineResult =
  | { readonly status: number; readonly body: Readonly<Record<string, unknown>> }
  | { readonly error: { readonly code: string; readonly message: string } }

export const resultSchema = v.union([
  v.strictObject({ status: v.pipe(v.number(), v.integer(), v.minValue(100), v.maxValue(599)), body: jsonObject }),
  v.strictObject({ error: v.strictObject({ code: v.string(), message: v.string() }) }),
])

/** A line of the output, in OpenAI's format. */
export interface BatchOutputLine {
  readonly id: string
  readonly custom_id: string
  readonly response: {
    readonly status_code: number
    readonly request_id: string
    readonly body: Readonly<Record<string, unknown>>
  } | null
  readonly error: { readonly code: string; readonly message: string } | null
}

const outputSchema = v.strictObject({
  id: v.string(),
  custom_id: v.string(),
  response: v.nullable(v.strictObject({ status_code: v.number(), request_id: v.string(), body: jsonObject })),
  error: v.nullable(v.strictObject({ code: v.string(), message: v.string() })),
})

/** Names of a line, whatever became of it. */
type Named = Pick<BatchOutputLine, 'id' | 'custom_id'>

/**
 * The line of a result, without a line break. It says nothing that a rerun would say otherwise: `created`, in seconds since 1970, takes the
 * place of the clock's time, and tokens that were cached, by whatever ran before, are not told.
 */
export function outputLine({ id, custom_id }: Named, result: LineResult, created: number): string {
  const line: BatchOutputLine =
    'error' in result
      ? { id, custom_id, response: null, error: result.error }
      : {
          id,
          custom_id,
          response: { status_code: result.status, request_id: requestId(id), body: settled(result.body, created) },
          error: null,
        }
  return JSON.stringify(line)
}

/** Of a line, as its answer and the logs name it. */
export function requestId(id: string): string {
  return id.replace(/^batch_req_/, 'req_')
}

function settled(body: JsonObject, created: number): JsonObject {
  const times = ['created', 'created_at'].filter((name) => typeof body[name] === 'number')
  const usage = isObject(body.usage) && { usage: withoutCached(body.usage) }
  return { ...body, ...Object.fromEntries(times.map((name) => [name, created])), ...usage }
}

function withoutCached(usage: JsonObject): JsonObject {
  const details = Object.entries(usage).map(([name, value]) => {
    if (!isObject(value)) return [name, value]
    const { cached_tokens: _cached, ...others } = value
    return [name, others]
  })
  return Object.fromEntries(details) as JsonObject
}

type JsonObject = Readonly<Record<string, unknown>>

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** What bytes are as an output line; undefined when they are none. */
export function parseOutputLine(bytes: Uint8Array): BatchOutputLine | undefined {
  try {
    const { success, output } = v.safeParse(outputSchema, JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)))
    return success ? output : undefined
  } catch {
    return undefined
  }
}

/** Whether a line's request was answered as it wished. */
export function succeeded({ response }: BatchOutputLine): boolean {
  return response !== null && response.status_code < 400
}
