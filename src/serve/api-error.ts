import {
  BusyError,
  ContextError,
  DataError,
  DeadlineError,
  DisposedError,
  FormatError,
  LimitError,
  MismatchError,
  NextxError,
  OptionError,
} from '../base/errors.ts'

/** `error.type` of an answer, as OpenAI's clients know them. */
export type ApiErrorType =
  | 'invalid_request_error'
  | 'authentication_error'
  | 'not_found_error'
  | 'rate_limit_error'
  | 'overloaded_error'
  | 'timeout_error'
  | 'server_error'

export interface ApiErrorDetails {
  readonly status: number
  readonly type: ApiErrorType
  /** Stable, to switch on. */
  readonly code: string
  /** The field of the request that is wrong. */
  readonly param?: string | undefined
  /** Seconds after which another try may succeed. */
  readonly retryAfter?: number | undefined
  readonly cause?: unknown
}

/** A request that is answered with an error. Its message is for the client. */
export class ApiError extends NextxError {
  override readonly code: string
  readonly status: number
  readonly type: ApiErrorType
  readonly param: string | undefined
  readonly retryAfter: number | undefined

  constructor(message: string, { status, type, code, param, retryAfter, cause }: ApiErrorDetails) {
    super(message, { cause })
    this.status = status
    this.type = type
    this.code = code
    this.param = param
    this.retryAfter = retryAfter
  }
}

/** A field that is wrong, unknown or out of range: 422. */
export function invalid(param: string | undefined, message: string, code = 'invalid_value'): ApiError {
  return new ApiError(message, { status: 422, type: 'invalid_request_error', code, param })
}

/** More of something than is ever taken: 413. */
export function tooLarge(param: string | undefined, message: string, code = 'too_large'): ApiError {
  return new ApiError(message, { status: 413, type: 'invalid_request_error', code, param })
}

/** Not now: 503. */
export function unavailable(message: string, code: string, retryAfter = 2): ApiError {
  return new ApiError(message, { status: 503, type: 'overloaded_error', code, retryAfter })
}

/** The body of an error's answer. */
export interface ApiErrorBody {
  readonly error: {
    readonly message: string
    readonly type: ApiErrorType
    readonly param: string | null
    readonly code: string
  }
}

export function bodyOf({ message, type, param, code }: ApiError): ApiErrorBody {
  return { error: { message, type, param: param ?? null, code } }
}

type Row = readonly [new (...given: never[]) => NextxError, Omit<ApiErrorDetails, 'code' | 'cause'>]

/** What requests themselves can cause; every other error is the server's, and its text stays inside. */
const rows: readonly Row[] = [
  [BusyError, { status: 429, type: 'rate_limit_error', retryAfter: 1 }],
  [LimitError, { status: 413, type: 'invalid_request_error' }],
  [ContextError, { status: 413, type: 'invalid_request_error' }],
  [DeadlineError, { status: 504, type: 'timeout_error' }],
  [DisposedError, { status: 503, type: 'overloaded_error', retryAfter: 2 }],
  [OptionError, { status: 422, type: 'invalid_request_error' }],
  [DataError, { status: 422, type: 'invalid_request_error' }],
]

const codes: Readonly<Record<string, string>> = {
  busy: 'overloaded',
  limit: 'request_too_large',
  context: 'context_length_exceeded',
  deadline: 'deadline_exceeded',
  disposed: 'draining',
  option: 'invalid_value',
  data: 'invalid_value',
}

/** Any error as an answer. Errors that no request causes say nothing of what went wrong inside. */
export function apiErrorOf(error: unknown): ApiError {
  if (error instanceof ApiError) return error
  const row = rows.find(([type]) => error instanceof type)
  if (row !== undefined) {
    const { message, code } = error as NextxError
    return new ApiError(message, { ...row[1], code: codes[code]!, cause: error })
  }
  const loading = error instanceof FormatError || error instanceof MismatchError
  const message = loading ? 'the model cannot be loaded' : 'something went wrong inside; the server has the details'
  return new ApiError(message, { status: 500, type: 'server_error', code: 'internal', cause: error })
}
