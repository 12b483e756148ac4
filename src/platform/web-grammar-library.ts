import type { LibraryOutput } from './grammar-library.ts'

/** An instance of xgrammar. In a browser there is one only, which prints to the console. */
export async function loadGrammarLibrary<Library>(_output: LibraryOutput): Promise<Library> {
  const module: object = await import('@mlc-ai/web-xgrammar')
  // Where the file is loaded as a module, it leaves what it has in a global.
  const found = 'GrammarCompiler' in module ? module : (globalThis as { readonly xgrammar?: object }).xgrammar
  return found as Library
}
