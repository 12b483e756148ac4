import { fileURLToPath } from 'node:url'
import { OptionError } from '../base/errors.ts'

/** Path of a folder that ships with the package, under `data/`; of `data/` itself for ''. Throws OptionError on anything but a plain name. */
export function packageData(name: string): string {
  if (!/^[\w-]*$/.test(name)) throw new OptionError(`${JSON.stringify(name)} is not the name of a data folder`)
  return fileURLToPath(new URL(`../../data/${name}`, import.meta.url))
}
