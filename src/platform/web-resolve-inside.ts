import { checkInnerName, outside } from './inner-name.ts'
import { pathIn } from './web-folders.ts'

// In a browser this module stands in for resolve-inside.ts.

/**
 * The URL of a name that came out of a file (a shard, external data).
 * @param root the folder that the name may not lead out of
 * @throws DataError on an absolute name, a URL, `..` or a backslash.
 */
export async function resolveInside(root: string, name: string): Promise<string> {
  checkInnerName(name)
  return pathIn(root, name.split('/').map(encodeURIComponent).join('/'))
}

/**
 * The URL of a file that is named in another one of its folder.
 * @throws DataError on a name with a path.
 */
export async function fileBeside(folder: string, name: string): Promise<string> {
  if (name.includes('/')) throw outside(name)
  return resolveInside(folder, name)
}
