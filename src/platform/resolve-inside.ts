import { lstat, realpath } from 'node:fs/promises'
import { basename, dirname, join, sep } from 'node:path'
import { DataError } from '../base/errors.ts'
import { codeOf, withPath } from './file-errors.ts'
import { checkInnerName, outside } from './inner-name.ts'

/**
 * Where a name that came out of a file (a shard, external data) lies, with all symbolic links followed. The file itself may be
 * missing, the root may not.
 * @param root the folder that the name may not lead out of
 * @throws DataError on an absolute name, a URL, `..`, a backslash, or symbolic links that lead out of the root or to nothing.
 * @example
 * const shard = await resolveInside('checkpoint', 'model-00001-of-00002.safetensors')
 */
export async function resolveInside(root: string, name: string): Promise<string> {
  checkInnerName(name)
  const base = await withPath('open', root, () => realpath(root))
  const target = await withPath('open', name, () => realPathOf(join(base, name)))
  if (!target.startsWith(base.endsWith(sep) ? base : base + sep)) throw outside(name)
  return target
}

/**
 * Where a file lies that is named in another one of its folder. It may be a link to anywhere: names without a path lead to nothing that
 * the folder's owner did not put there.
 * @throws DataError on a name with a path.
 */
export async function fileBeside(folder: string, name: string): Promise<string> {
  checkInnerName(name)
  if (name.includes('/')) throw outside(name)
  return join(folder, name)
}

/** A link to nothing is refused: writing through it would make a file wherever it points. */
async function realPathOf(path: string): Promise<string> {
  try {
    return await realpath(path)
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error
    if (await isLink(path)) throw new DataError(`'${path}' is a symbolic link to nothing`)
    return join(await realPathOf(dirname(path)), basename(path))
  }
}

async function isLink(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    () => false,
  )
}
