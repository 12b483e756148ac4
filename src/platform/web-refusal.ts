import { DataError } from '../base/errors.ts'

/** @throws DataError always: for what needs a file system. */
export function refuseInBrowser(action: string): never {
  throw new DataError(`cannot ${action}: a browser has no file system`, { fix: 'do this in Node.js' })
}
