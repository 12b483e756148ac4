import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { DataError, DisposedError } from '../../../src/base/errors.ts'
import { openFileSource } from '../../../src/platform/web-file-source.ts'
import { appendLine, exists, listFiles, makeDirectory, readFileBytes, writeFileAtomic } from '../../../src/platform/web-files.ts'
import { currentFolder, listFolders, pathIn, removeFolder, writeFolderAtomic } from '../../../src/platform/web-folders.ts'
import { resolveInside } from '../../../src/platform/web-resolve-inside.ts'
import { streamLines, streamText } from '../../../src/platform/web-text-files.ts'

const bytes = Uint8Array.from({ length: 1000 }, (_, i) => i * 7)
const text = 'é€😀\r\n'.repeat(30_000)

type Answer = (request: IncomingMessage, response: ServerResponse) => void

const answers: Readonly<Record<string, Answer>> = {
  '/plain': (_, response) => response.end(bytes),
  '/empty': (_, response) => response.end(),
  '/packed': (_, response) => response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync(bytes)),
  '/chunked': (_, response) => {
    response.write(bytes.subarray(0, 10))
    response.end(bytes.subarray(10))
  },
  '/cut': (_, response) => {
    response.writeHead(200, { 'content-length': 1000 })
    response.write(bytes.subarray(0, 10), () => response.destroy())
  },
  '/page': (_, response) => response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end('<p>'),
  '/page.html': (_, response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<p>'),
  '/secret': (_, response) => response.writeHead(403).end(),
  '/no-head': ({ method }, response) => response.writeHead(method === 'HEAD' ? 405 : 200).end(),
  '/text': (_, response) => response.end(text),
  '/latin': (_, response) => response.end(Buffer.from('é', 'latin1')),
  '/ranges': (request, response) => sendRange(request, response),
  '/short-ranges': ({ headers }, response) => {
    response.writeHead(206, { 'content-range': headers.range === 'bytes=0-0' ? 'bytes 0-0/1000' : 'bytes 5-5/1000' }).end('x')
  },
}

function sendRange({ headers }: IncomingMessage, response: ServerResponse): void {
  const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(headers.range ?? '') ?? []
  if (first === undefined) response.end(bytes)
  else
    response.writeHead(206, { 'content-range': `bytes ${first}-${last}/1000` }).end(bytes.subarray(Number(first), Number(last) + 1))
}

const server = createServer((request, response) => {
  const answer = answers[request.url ?? '']
  if (answer === undefined) response.writeHead(404).end()
  else answer(request, response)
})
let at: (path: string) => string

beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  at = (path) => `http://127.0.0.1:${(server.address() as AddressInfo).port}/${path}`
})

afterAll(async () => {
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
})

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const item of items) all.push(item)
  return all
}

describe('readFileBytes', () => {
  it.each(['plain', 'packed', 'chunked'])('gives the bytes, in memory of their own: %s', async (path) => {
    const read = await readFileBytes(at(path), { maxBytes: 1000 })
    expect(read).toEqual(bytes)
    expect(read.buffer.byteLength).toBe(1000)
  })

  it('gives nothing of an empty file', async () => {
    expect(await readFileBytes(at('empty'))).toHaveLength(0)
  })

  it.each(['plain', 'packed', 'chunked'])('refuses a longer file than asked for: %s', async (path) => {
    await expect(readFileBytes(at(path), { maxBytes: 999 })).rejects.toThrow(/at most 999/)
  })

  it.each([
    ['missing', /cannot read '.*missing': the server answers 404/],
    ['secret', /403/],
    ['cut', /cannot read '.*cut'/],
    ['page', /answers with a page/],
  ])('names the URL and the reason of what cannot be read: %s', async (path, message) => {
    const failure = await readFileBytes(at(path)).catch((error: unknown) => error)
    expect(failure).toBeInstanceOf(DataError)
    expect((failure as Error).message).toMatch(message)
  })

  it('names a server that does not answer, and what is no URL', async () => {
    await expect(readFileBytes('http://127.0.0.1:1/x')).rejects.toThrow(DataError)
    await expect(readFileBytes('http://')).rejects.toThrow(DataError)
  })
})

describe('exists', () => {
  it.each([
    ['plain', true],
    ['no-head', true],
    ['page.html', true],
    ['page', false],
    ['missing', false],
  ])('tells whether the server has %s', async (path, expected) => {
    expect(await exists(at(path))).toBe(expected)
  })

  it('does not guess', async () => {
    await expect(exists(at('secret'))).rejects.toThrow(DataError)
    await expect(exists('http://127.0.0.1:1/x')).rejects.toThrow(DataError)
  })
})

describe('streams', () => {
  it('cut no character, and split lines', async () => {
    const pieces = await collect(streamText(at('text')))
    expect(pieces.join('')).toBe(text)
    expect(await collect(streamLines(at('text')))).toEqual(Array(30_000).fill('é€😀'))
  })

  it('refuse what is not there or not text, and a line without end', async () => {
    await expect(collect(streamText(at('missing')))).rejects.toThrow(DataError)
    await expect(collect(streamText(at('latin')))).rejects.toThrow(/is not text/)
    await expect(collect(streamText(at('cut')))).rejects.toThrow(DataError)
    await expect(collect(streamLines(at('text'), { maxLength: 3 }))).rejects.toThrow(/too long/)
  })
})

describe('openFileSource', () => {
  it.each(['ranges', 'plain'])('reads pieces, from a server that gives them and one that does not: %s', async (path) => {
    await using file = await openFileSource(at(path))
    expect(file).toMatchObject({ name: at(path), byteLength: 1000 })
    expect(await file.read(0, 1000)).toEqual(bytes)
    expect(await file.read(17, 3)).toEqual(bytes.subarray(17, 20))
    expect(await file.read(1000, 0)).toHaveLength(0)
    await expect(file.read(999, 2)).rejects.toThrow(DataError)
  })

  it('refuses pieces that are not whole, files that are not there, and reading after closing', async () => {
    const file = await openFileSource(at('short-ranges'))
    await expect(file.read(5, 3)).rejects.toThrow(/does not give 3 bytes at 5/)
    await file[Symbol.asyncDispose]()
    await expect(file.read(0, 1)).rejects.toThrow(DisposedError)
    await expect(openFileSource(at('missing'))).rejects.toThrow(DataError)
  })
})

describe('folders', () => {
  it('are the beginnings of URLs', async () => {
    expect(await currentFolder('/models/a/')).toBe('/models/a')
    expect(pathIn('https://x.org/a/', 'b')).toBe('https://x.org/a/b')
    expect(await listFiles(['b', 'a', 'a'], { folder: '/texts' })).toEqual(['/texts/a', '/texts/b'])
    expect(await listFiles(['/b?x=1'])).toEqual(['/b?x=1'])
  })

  it('keep the names that come out of files inside', async () => {
    expect(await resolveInside('/m/', 'a/b 1%2e#?.bin')).toBe('/m/a/b%201%252e%23%3F.bin')
    for (const name of ['', '../a', 'a/../../b', '/a', '//x.org/a', 'https://x.org', 'C:a', 'a\\b', 'a\0b'])
      await expect(resolveInside('/m', name)).rejects.toThrow(DataError)
  })

  it.each<[string, () => Promise<unknown>]>([
    ['patterns', () => listFiles(['texts/*.txt'])],
    ['a file to write', () => writeFileAtomic('/a', 'x')],
    ['a line to append', () => appendLine('/a', 'x')],
    ['a folder to make', () => makeDirectory('/a')],
    ['a folder to write', () => writeFolderAtomic('/a', new Map())],
    ['a folder to list', () => listFolders('/a')],
    ['a folder to remove', () => removeFolder('/a')],
  ])('are not there to be changed: %s', async (_, call) => {
    await expect(call()).rejects.toThrow(/a browser has no file system; do this in Node.js/)
  })
})
