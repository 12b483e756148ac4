import { APICallError, InvalidResponseDataError } from '@ai-sdk/provider'
import * as v from 'valibot'
import { type ApiError, apiErrorOf, bodyOf } from '../serve/api-error.ts'
import type { Answer, Service } from '../serve/service.ts'

/** How models of a provider reach their service. */
export interface Asking {
  /** The service, opened when it is first needed. */
  service(): Promise<Service>
  /** Whose kept states requests share. */
  readonly caller: string
}

export interface Question {
  readonly path: string
  readonly body: object
  readonly signal: AbortSignal | undefined
}

/** Rejects with the signal's reason after an abort, otherwise with the SDK's APICallError. */
export async function ask(asking: Asking, { path, body, signal }: Question): Promise<Answer> {
  try {
    signal?.throwIfAborted()
    const service = await asking.service()
    return await service.answer(path, body, { caller: asking.caller, ...(signal && { signal }) })
  } catch (error) {
    throw callError(error, { path, body, signal })
  }
}

/** As `ask`, for what is answered at once. */
export async function askOnce<Body>(
  asking: Asking,
  question: Question,
  schema: v.GenericSchema<unknown, Body>,
): Promise<{ readonly body: Body; readonly raw: object }> {
  const answer = await ask(asking, question)
  if (answer.kind === 'json') return { body: checked(schema, answer.body), raw: answer.body }
  await answer.events.return()
  throw new InvalidResponseDataError({ data: undefined, message: `'${question.path}' answers in a stream` })
}

export function checked<Body>(schema: v.GenericSchema<unknown, Body>, data: unknown): Body {
  const { success, output } = v.safeParse(schema, data)
  if (success) return output
  throw new InvalidResponseDataError({ data, message: 'the service gave an answer of another shape than OpenAI has' })
}

/** An error as the SDK knows it. */
export function callError(error: unknown, { path, body, signal }: Question): unknown {
  if (signal?.aborted === true) return signal.reason
  const known = apiErrorOf(error)
  const data = bodyOf(known)
  return new APICallError({
    message: known.message,
    url: `nextx:${path}`,
    requestBodyValues: body,
    statusCode: known.status,
    ...headersOf(known),
    responseBody: JSON.stringify(data),
    // What is busy or not ready yet may do later what it does not now; a fault or a deadline in this process would only come again.
    isRetryable: known.status === 429 || known.status === 503,
    data,
    cause: error,
  })
}

function headersOf({ retryAfter }: ApiError): { responseHeaders?: Record<string, string> } {
  return retryAfter === undefined ? {} : { responseHeaders: { 'retry-after': String(retryAfter) } }
}
