import { DataError } from '../base/errors.ts'

const reasons: ReadonlyMap<unknown, string> = new Map([
  ['ENOENT', 'there is no such file or folder'],
  ['ENOTDIR', 'a part of the path is not a folder'],
  ['EISDIR', 'it is a folder'],
  ['EACCES', 'permission denied'],
  ['EPERM', 'permission denied'],
  ['EEXIST', 'it exists already and is not a folder'],
  ['ENOSPC', 'the disk is full'],
  ['EDQUOT', 'the disk quota is used up'],
  ['EROFS', 'the file system is read-only'],
  ['ELOOP', 'its symbolic links run in a circle'],
  ['ENAMETOOLONG', 'the name is too long'],
  ['EMFILE', 'too many files are open'],
])

/** Runs file-system work; what it throws comes out as a DataError that names the path and the reason. */
export async function withPath<T>(action: string, path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (cause) {
    throw fileError(action, path, cause)
  }
}

export function fileError(action: string, path: string, cause: unknown): DataError {
  if (cause instanceof DataError) return cause
  const reason = reasons.get(codeOf(cause)) ?? (cause instanceof Error ? cause.message : String(cause))
  return new DataError(`cannot ${action} '${path}': ${reason}`, { cause })
}

export function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined
}
