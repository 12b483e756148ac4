import { fileURLToPath } from 'node:url'

/** Path of a folder that ships with the package, under `data/`. */
export function packageData(name: string): string {
  return fileURLToPath(new URL(`../../data/${name}`, import.meta.url))
}
