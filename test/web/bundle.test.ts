import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { bundleModules, root } from './build-page.ts'

interface Manifest {
  readonly exports: Readonly<Record<string, unknown>>
  readonly browser: Readonly<Record<string, string>>
}

const manifest = JSON.parse(readFileSync(`${root}package.json`, 'utf8')) as Manifest
/** What needs sockets and files: no browser has a use for it. */
const ofServers = ['./serve', './batch']
const entries = Object.keys(manifest.exports).filter(
  (key) => !key.includes('*') && key !== './package.json' && !ofServers.includes(key),
)

/** Where a bundler put something of Node: a module that it left empty or outside, a native library, or a name in the code. */
async function tracesOfNode(entry: string): Promise<string[]> {
  const { modules, external } = await bundleModules(entry)
  expect(modules.length).toBeGreaterThan(0)
  // onnxruntime-web names modules of Node where it knows itself to run in Node. So does arima, whose package.json#browser leaves them out: that is the
  // nameless one of the empty modules, those that nobody left out have a name after a colon. xgrammar asks for the module `module` where
  // it finds a process of Node.
  const own = modules.filter(
    ({ path }) => !/\/node_modules\/onnxruntime-web\/|__vite-browser-external(:module|\?commonjs-proxy)?$/.test(path),
  )
  const named = own.filter(
    ({ path, code }) => /browser-external|\.node$/.test(path) || /["'`](node:[a-z]|[^"'`\n]*\.node["'`])/.test(code),
  )
  return [...named.map(({ path }) => path), ...external]
}

test('what a browser gets of the package has nothing of Node in it; when this fails, package.json#browser lacks a counterpart', async () => {
  expect(entries).toContain('./systems')
  const imports = entries.map((key, i) => `import * as part${i} from 'nextx${key.slice(1)}'`)
  const names = entries.map((_, i) => `part${i}`)
  expect(await tracesOfNode(`${imports.join('\n')}\nglobalThis.parts = [${names.join(', ')}]`)).toEqual([])
})

test('the check finds a module of Node and a native library', async () => {
  expect(await tracesOfNode("import * as files from 'node:fs'\nglobalThis.files = files")).not.toEqual([])
  expect(await tracesOfNode("globalThis.library = './onnxruntime_binding.node'")).not.toEqual([])
})
