import { DataError } from '../base/errors.ts'

/**
 * Refuses a name that came out of a file unless it is a relative path below its folder.
 * @throws DataError on an absolute name, a URL, `..` or a backslash.
 */
export function checkInnerName(name: string): void {
  if (typeof name !== 'string' || name === '' || name.includes('\0')) {
    throw new DataError(`${JSON.stringify(name)} is not a file name`)
  }
  // A drive letter reads as the scheme of a URL.
  const leadsOut =
    name.startsWith('/') || /^[a-z][a-z0-9+.-]*:/i.test(name) || name.includes('\\') || name.split('/').includes('..')
  if (leadsOut) throw outside(name)
}

export function outside(name: string): DataError {
  return new DataError(`'${name}' leads out of its folder`, { expected: 'a relative path below it' })
}
