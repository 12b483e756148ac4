import { fileURLToPath } from 'node:url'
import { build } from 'vite'

export const root = fileURLToPath(new URL('../..', import.meta.url))

/** Bundles the test page as a user would, with the package as it is published. */
export async function buildPage(outDir: string): Promise<void> {
  await build({
    configFile: false,
    root: `${root}test/web/page`,
    logLevel: 'error',
    worker: { format: 'es' },
    build: { outDir, emptyOutDir: true, target: 'esnext', minify: false, reportCompressedSize: false },
  })
}

/** Part of what a bundle holds: a module by its path, with its code. */
export interface BundledModule {
  readonly path: string
  readonly code: string
}

/** Every module that a browser gets with `entry`, a module given as text, and what the bundle would import from elsewhere. */
export async function bundleModules(entry: string): Promise<{ readonly modules: BundledModule[]; readonly external: string[] }> {
  const id = '\0entry'
  const result = await build({
    configFile: false,
    root,
    logLevel: 'error',
    plugins: [
      {
        name: 'entry',
        enforce: 'pre',
        resolveId: (source) => (source === id ? id : null),
        load: (source) => (source === id ? entry : null),
      },
    ],
    build: { write: false, target: 'esnext', minify: false, reportCompressedSize: false, rollupOptions: { input: id } },
  })
  const outputs = (Array.isArray(result) ? result : [result]).flatMap((part) => ('output' in part ? part.output : []))
  const chunks = outputs.flatMap((output) => (output.type === 'chunk' ? [output] : []))
  const own = new Set(outputs.map(({ fileName }) => fileName))
  return {
    modules: chunks.flatMap(({ modules }) => Object.entries(modules).map(([path, { code }]) => ({ path, code: code ?? '' }))),
    external: chunks.flatMap(({ imports, dynamicImports }) => [...imports, ...dynamicImports]).filter((name) => !own.has(name)),
  }
}
