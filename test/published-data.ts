import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const own = fileURLToPath(new URL('../data', import.meta.url))

/** Published data that is too large for the repository: in data/, or where NEXTX_DATA leads. Where it is not, that is printed. */
export function publishedData(path: string): string | undefined {
  const places = [own, ...(process.env.NEXTX_DATA ? [process.env.NEXTX_DATA] : [])].map((folder) => join(folder, path))
  const found = places.find(existsSync)
  if (found === undefined) console.info(`tests are skipped: ${path} is neither in data/ nor where NEXTX_DATA leads`)
  return found
}
