import { DataError } from '../../base/errors.ts'

const deepest = 64

/** A copy of what JSON could hold. Throws DataError for anything else, such as functions, which templates could call. */
export function plainData(value: unknown, what: string, depth = 0): unknown {
  if (depth > deepest) throw new DataError(`${what} are nested deeper than ${deepest}`)
  if (value === null || value === undefined || typeof value === 'string' || typeof value === 'boolean') return value
  if (typeof value === 'number' && Number.isFinite(value)) return value
  if (Array.isArray(value)) return value.map((item) => plainData(item, what, depth + 1))
  if (typeof value === 'object' && [Object.prototype, null].includes(Object.getPrototypeOf(value))) {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plainData(item, what, depth + 1)]))
  }
  throw new DataError(`${what} hold a ${typeof value}`, { expected: 'plain data, as in JSON' })
}
