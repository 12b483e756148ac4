import { DataError, OptionError } from '../base/errors.ts'
import type { Stepper } from './stepper.ts'

/** Throws OptionError unless `given` is an object whose keys are all in `known`. */
export function checkKeys(given: unknown, known: Readonly<Record<string, unknown>>): void {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    throw new OptionError('options are not an object', { expected: `an object with ${Object.keys(known).join(', ')}` })
  }
  for (const key of Object.keys(given)) {
    if (!Object.hasOwn(known, key)) {
      throw new OptionError(`unknown option ${JSON.stringify(key)}`, { expected: `some of ${Object.keys(known).join(', ')}` })
    }
  }
}

/** Throws OptionError unless `value` is an integer in [least, most]. */
export function checkInteger(name: string, value: unknown, least: number, most = Number.MAX_SAFE_INTEGER): void {
  if (Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most) return
  throw new OptionError(`${name} is ${show(value)}`, {
    expected: most === Number.MAX_SAFE_INTEGER ? `an integer of at least ${least}` : `an integer in [${least}, ${most}]`,
  })
}

/** Throws OptionError unless `value` is a number for which `accepts` holds. */
export function checkNumber(name: string, value: unknown, accepts: (value: number) => boolean, expected: string): void {
  if (typeof value === 'number' && accepts(value)) return
  throw new OptionError(`${name} is ${show(value)}`, { expected })
}

/** Throws OptionError when given something else than an AbortSignal. */
export function checkSignal(signal: AbortSignal | undefined): void {
  if (signal === undefined || typeof signal?.throwIfAborted === 'function') return
  throw new OptionError('signal is not an AbortSignal', { expected: 'the signal of an AbortController' })
}

/** Throws OptionError when given something else than a stepper. */
export function checkStepper(stepper: Stepper): void {
  if (typeof stepper?.extend === 'function' && typeof stepper.open === 'function') return
  throw new OptionError('the stepper is none', { expected: 'a stepper, such as that of a loaded model' })
}

/** The tokens as a plain array. Throws DataError when one of them is not an id of the vocabulary. */
export function checkedTokens(what: string, tokens: ArrayLike<number>, vocabularySize: number): number[] {
  if (typeof tokens !== 'object' || tokens === null || !Number.isSafeInteger(tokens.length) || tokens.length < 0) {
    throw new DataError(`${what} is not a list of tokens`, { expected: 'an array of token ids' })
  }
  for (let i = 0; i < tokens.length; i++) checkToken(what, tokens[i], vocabularySize)
  return Array.from(tokens)
}

/** Throws DataError unless `token` is an id of the vocabulary. */
export function checkToken(what: string, token: unknown, vocabularySize: number): void {
  if (Number.isSafeInteger(token) && (token as number) >= 0 && (token as number) < vocabularySize) return
  throw new DataError(`${what} holds the token ${show(token)}`, { expected: `ids in [0, ${vocabularySize})` })
}

function show(value: unknown): string {
  return typeof value === 'string'
    ? JSON.stringify(value)
    : typeof value === 'object' && value !== null
      ? 'an object'
      : String(value)
}
