/** What an error message is made of: the problem, what was expected, and how to mend it. */
export interface ErrorDetails {
  readonly expected?: string
  readonly fix?: string
  readonly cause?: unknown
}

/** Every error that nextx throws on purpose; `code` is stable and safe to switch on. */
export abstract class NextxError extends Error {
  abstract readonly code: string

  constructor(problem: string, details: ErrorDetails = {}) {
    super(compose(problem, details), details.cause === undefined ? undefined : { cause: details.cause })
    this.name = new.target.name
  }
}

/** Tensor shapes or ranks that do not fit an operation. */
export class ShapeError extends NextxError {
  readonly code = 'shape'
}

/** Tensor dtypes that do not fit an operation, or that the runtime has no kernel for. */
export class DTypeError extends NextxError {
  readonly code = 'dtype'
}

/** A traced graph that breaks a rule of the compiler. */
export class GraphError extends NextxError {
  readonly code = 'graph'
}

/** Bytes that are not a valid file of the format they claim. */
export class FormatError extends NextxError {
  readonly code = 'format'
}

/** An option that is unknown, out of range, or cannot be combined with another. */
export class OptionError extends NextxError {
  readonly code = 'option'
}

/** Data that cannot be used: empty, unreadable, of the wrong kind. */
export class DataError extends NextxError {
  readonly code = 'data'
}

/** A checkpoint or vocabulary that does not fit the model. */
export class MismatchError extends NextxError {
  readonly code = 'mismatch'
}

/** More positions than the model's context holds. */
export class ContextError extends NextxError {
  readonly code = 'context'
}

/** A NaN or an infinity where a number was needed. */
export class NonFiniteError extends NextxError {
  readonly code = 'non-finite'
}

/** Use of something already disposed. */
export class DisposedError extends NextxError {
  readonly code = 'disposed'
}

/** No room for a request now; a later try may succeed. */
export class BusyError extends NextxError {
  readonly code = 'busy'
}

/** A request that a limit of the service never admits. */
export class LimitError extends NextxError {
  readonly code = 'limit'
}

/** A request that took longer than it was given. */
export class DeadlineError extends NextxError {
  readonly code = 'deadline'
}

/** The runtime (ONNX Runtime, a worker) failed or is missing. */
export class RuntimeError extends NextxError {
  readonly code = 'runtime'
}

function compose(problem: string, { expected, fix }: ErrorDetails): string {
  const parts = [problem]
  if (expected !== undefined) parts.push(`expected ${expected}`)
  if (fix !== undefined) parts.push(fix)
  return parts.join('; ')
}
