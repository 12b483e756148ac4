import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'
import { RuntimeError } from '../base/errors.ts'

/** What the library says, which it does by printing. */
export interface LibraryOutput {
  print(line: string): void
}

/**
 * An instance of xgrammar, with memory of its own. The package's file is a script (UMD) that says it is a module, which Node does not
 * load; here it runs as the script it is. Throws RuntimeError where the package is missing.
 */
export async function loadGrammarLibrary<Library>(output: LibraryOutput): Promise<Library> {
  const { file, source } = readLibrary()
  const printing = { log: output.print, warn: output.print, error: output.print }
  // Without a process it does not look for Node's modules, of which it needs none: its WebAssembly is part of the file.
  const script = new Function('exports', 'module', 'process', 'location', 'console', source)
  const holder = { exports: {} as Library }
  script(holder.exports, holder, undefined, { href: pathToFileURL(file).href }, printing)
  return holder.exports
}

function readLibrary(): { readonly file: string; readonly source: string } {
  try {
    const file = createRequire(import.meta.url).resolve('@mlc-ai/web-xgrammar')
    return { file, source: readFileSync(file, 'utf8') }
  } catch (cause) {
    throw new RuntimeError('the package @mlc-ai/web-xgrammar is missing', { fix: 'install nextx with its dependencies', cause })
  }
}
