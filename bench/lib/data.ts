import { existsSync } from 'node:fs'
import { join } from 'node:path'

/** Path of a data file that the repository does not carry: in `data/`, or in the folder that NEXTX_DATA names. */
export function dataFile(name: string): string {
  const places = ['data', ...(process.env.NEXTX_DATA === undefined ? [] : [process.env.NEXTX_DATA])].map((folder) =>
    join(folder, name),
  )
  const found = places.find(existsSync)
  if (found !== undefined) return found
  throw new Error(`${name} is neither in data/ nor in the folder that NEXTX_DATA names`)
}
