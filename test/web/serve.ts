import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { extname, join } from 'node:path'

export interface StaticServer extends AsyncDisposable {
  readonly url: string
  /** `GET /a.txt` and so on, in the order they came. */
  readonly requests: string[]
}

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.json': 'application/json',
  '.mjs': 'text/javascript',
  '.wasm': 'application/wasm',
}

/** What a browser asks for before it lets a page share memory between threads. */
const isolation = { 'cross-origin-opener-policy': 'same-origin', 'cross-origin-embedder-policy': 'require-corp' }

/** Folders by the first part of the URL's path; '' is for all other paths. */
export type Folders = Readonly<Record<string, string>> & { readonly '': string }

/** Serves folders to this machine. A page that is asked for with `?plain` may not share memory. */
export async function serve(folders: Folders): Promise<StaticServer> {
  const requests: string[] = []
  const server = createServer(async ({ method, url = '/' }, response) => {
    const { pathname, searchParams } = new URL(url, 'http://localhost')
    requests.push(`${method} ${pathname}`)
    const bytes = await readFile(fileOf(folders, decodeURIComponent(pathname))).catch(() => undefined)
    const type = types[extname(pathname === '/' ? 'index.html' : pathname)] ?? 'application/octet-stream'
    const headers = searchParams.has('plain') ? {} : isolation
    response.writeHead(bytes === undefined ? 404 : 200, { ...headers, 'content-type': bytes === undefined ? 'text/plain' : type })
    response.end(method === 'HEAD' ? undefined : bytes)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}/`,
    requests,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

function fileOf(folders: Folders, pathname: string): string {
  const [, first = '', ...rest] = pathname.split('/')
  const folder = first === '' ? undefined : folders[first]
  return folder === undefined ? join(folders[''], pathname === '/' ? 'index.html' : pathname) : join(folder, ...rest)
}
