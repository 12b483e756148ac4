import {
  BusyError,
  ContextError,
  DataError,
  DeadlineError,
  DisposedError,
  DTypeError,
  FormatError,
  GraphError,
  LimitError,
  MismatchError,
  NextxError,
  NonFiniteError,
  OptionError,
  RuntimeError,
  ShapeError,
} from '../base/errors.ts'

/** An error as plain data, to cross from one thread to another. */
export interface PackedError {
  readonly code: string
  readonly message: string
}

type ErrorClass = new (message: string) => NextxError

const classes: ReadonlyMap<string, ErrorClass> = new Map<string, ErrorClass>([
  ['shape', ShapeError],
  ['dtype', DTypeError],
  ['graph', GraphError],
  ['format', FormatError],
  ['option', OptionError],
  ['data', DataError],
  ['mismatch', MismatchError],
  ['context', ContextError],
  ['non-finite', NonFiniteError],
  ['disposed', DisposedError],
  ['busy', BusyError],
  ['limit', LimitError],
  ['deadline', DeadlineError],
  ['runtime', RuntimeError],
])

/** Anything that nextx did not throw on purpose is packed as a RuntimeError. */
export function packError(error: unknown): PackedError {
  if (error instanceof NextxError) return { code: error.code, message: error.message }
  return { code: 'runtime', message: error instanceof Error ? `${error.name}: ${error.message}` : String(error) }
}

/** The same class, code and message as was packed. */
export function unpackError({ code, message }: PackedError): NextxError {
  const type = classes.get(code) ?? RuntimeError
  return new type(message)
}
