import { OptionError } from '../base/errors.ts'

// In a browser this module stands in for package-data.ts.

/** Refuses: the package's data is not part of what a bundler puts on the server. Throws OptionError. */
export function packageData(name: string): string {
  throw new OptionError(`the package's data folder ${JSON.stringify(name)} is not on this server`, {
    fix: `copy node_modules/nextx/data/${name} to a folder that is served, and pass its URL`,
  })
}
