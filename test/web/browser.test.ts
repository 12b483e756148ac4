import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import type { Page as Tab } from 'playwright-core'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { decodePicture } from '../../src/formats/index.ts'
import type { DeviceOptions } from '../../src/platform/device.ts'
import { idxFile } from '../null/formats/idx-files.ts'
import { jpegFile } from '../null/formats/jpeg-files.ts'
import { pngFile } from '../null/formats/png-files.ts'
import { buildPage, root } from './build-page.ts'
import { type Browser, noBrowser, startBrowser } from './chromium.ts'
import type { Greedy } from './page/greedy.ts'
import type { Page } from './page/main.ts'
import { type StaticServer, serve } from './serve.ts'

if (noBrowser !== undefined) console.warn(`tests in a browser are skipped: ${noBrowser}`)

const folder = `${root}data/stories260K`
// Computed in float32 by a separate program (see SOURCE.md there); Node gives the same ids (test/cpu/embedded-model.test.ts).
const expected = JSON.parse(readFileSync(`${folder}/expected-greedy.json`, 'utf8')) as {
  readonly prompt_ids: readonly number[]
  readonly greedy_ids: readonly number[]
}
const published = readFileSync(`${folder}/expected-greedy.txt`, 'utf8').trim()
const greedy: Greedy = { device: {}, model: '/models/stories260K', prompt: expected.prompt_ids, tokens: expected.greedy_ids.length }
const few: Greedy = { ...greedy, tokens: 4 }

/** Runs in the page. */
const rememberWasmMemories = `
  globalThis.wasmMemories = []
  WebAssembly.Memory = class extends WebAssembly.Memory {
    constructor(size) {
      super(size)
      wasmMemories.push(this)
    }
  }`

describe.skipIf(noBrowser !== undefined)('in headless Chromium', () => {
  const pageFolder = mkdtempSync(join(tmpdir(), 'nextx-page-'))
  let server: StaticServer
  let browser: Browser
  let tab: Tab

  beforeAll(async () => {
    await buildPage(pageFolder)
    server = await serve({ '': pageFolder, models: `${root}data`, wasm: `${root}node_modules/onnxruntime-web/dist` })
    browser = await startBrowser()
  })

  afterAll(async () => {
    await browser?.[Symbol.asyncDispose]()
    await server?.[Symbol.asyncDispose]()
    rmSync(pageFolder, { recursive: true })
  })

  beforeEach(() => openTab(''))

  /** A tab has a runtime of its own. */
  async function openTab(query: string): Promise<void> {
    await tab?.close()
    tab = await browser.context.newPage()
    await tab.addInitScript(rememberWasmMemories)
    await tab.goto(`${server.url}${query}`)
  }

  /** What a call of the page answers or fails with. */
  function ask<M extends keyof Page>(method: M, ...args: Parameters<Page[M]>): Promise<Awaited<ReturnType<Page[M]>>> {
    const call = ([name, given]: [string, unknown[]]) =>
      (globalThis as unknown as Record<'page', Record<string, (...args: unknown[]) => Promise<unknown>>>).page[name]!(...given)
    return tab.evaluate(call, [method, args] as [string, unknown[]]) as Promise<Awaited<ReturnType<Page[M]>>>
  }

  it.each([
    { method: 'continueGreedily', threads: 1 },
    { method: 'continueGreedily', threads: 2 },
    { method: 'continueInWorker', threads: 2 },
  ] as const)('continues with the ids that Node gives: $method, threads: $threads', async ({ method, threads }) => {
    const { device, ids, text } = await ask(method, { ...greedy, device: { threads } })
    expect(ids).toEqual(expected.greedy_ids)
    expect(published.startsWith(`Once upon a${text}`)).toBe(true)
    expect(text.length).toBeGreaterThan(40)
    expect(device).toEqual({ driver: 'onnxruntime-web', version: '1.30.0', threads, worker: false, boundOutputs: false })
  })

  it('opens a device again after the last was disposed, and again', async () => {
    for (let i = 0; i < 3; i++) expect((await ask('continueGreedily', few)).ids).toEqual(expected.greedy_ids.slice(0, 4))
  })

  it('holds nothing of a model that was disposed', async () => {
    const dropped = await ask('loadAgainAndAgain', { ...greedy, tokens: 1 }, 12)
    expect(dropped.map(({ ids }) => ids)).toEqual(Array(12).fill(expected.greedy_ids.slice(0, 1)))
    expect(dropped.map(({ left }) => left)).toEqual(Array(12).fill({ buffers: 0, bytes: 0, sessions: 0 }))
    const bytes = dropped.map(({ wasmBytes }) => wasmBytes)
    expect(bytes[0]).toBeGreaterThan(0)
    expect(bytes.slice(2)).toEqual(Array(10).fill(bytes[1]))
  })

  it('trains on a text on the server, from the loss of a uniform guess downwards', async () => {
    const { losses, vocabularySize } = await ask('train', '/models/stories260K/expected-greedy.txt')
    expect(losses).toHaveLength(20)
    expect(Math.abs(losses[0]! - Math.log(vocabularySize))).toBeLessThan(0.5)
    expect(losses.at(-1)!).toBeLessThan(losses[0]! - 0.3)
  })

  it('writes JSON of a schema', async () => {
    const schema = {
      type: 'object',
      properties: { name: { type: 'string', maxLength: 9 }, age: { type: 'integer' } },
      required: ['age'],
    }
    const text = await ask('write', '/models/stories260K', { kind: 'json-schema', schema })
    expect(JSON.parse(text)).toMatchObject({ age: expect.any(Number) })
    await expect(ask('write', '/models/stories260K', { kind: 'json-schema', schema: { not: {} } })).rejects.toThrow('#/not')
  })

  it('reads and writes the same pictures as Node, and refuses the same files', async () => {
    const png = pngFile({
      width: 3,
      height: 2,
      type: 3,
      depth: 2,
      samples: [0, 1, 2, 2, 1, 0],
      palette: [1, 2, 3, 4, 5, 6, 7, 8, 9],
    })
    const files = [png, jpegFile('progressive'), jpegFile('greyRestarts')]
    const idx = [...gzipSync(idxFile([2, 2], Uint8Array.of(1, 2, 3, 4)))]
    const read = await ask('readFiles', { pictures: files.map((file) => [...file]), idx })
    const expectedPixels = (await Promise.all(files.map((file) => decodePicture(file)))).map(({ pixels }) => [...pixels])
    expect(read).toEqual({ pictures: expectedPixels, again: expectedPixels, idx: { shape: [2, 2], data: [1, 2, 3, 4] } })
    await expect(ask('readFiles', { pictures: [[...png.slice(0, -20)]], idx })).rejects.toThrow('PNG: the file is cut short')
    const bomb = pngFile({ width: 3, height: 2, type: 0, depth: 8, samples: [], inflated: new Uint8Array(2 ** 22) })
    await expect(ask('readFiles', { pictures: [[...bomb]], idx })).rejects.toThrow('more data than the header names')
    await expect(ask('readFiles', { pictures: [], idx: idx.slice(0, -2) })).rejects.toThrow('corrupt or cut short')
  })

  it('refuses what needs files, says so, and goes on', async () => {
    expect(await ask('refusals', greedy)).toEqual({
      save: { name: 'DataError', message: expect.stringContaining('a browser has no file system') },
      packageData: { name: 'OptionError', message: expect.stringContaining('copy node_modules/nextx/data/stories260K') },
      missing: { name: 'DataError', message: expect.stringMatching(/cannot read '\/models\/missing\/config.json'.*404/) },
      afterwards: undefined,
    })
  })

  it('runs on one thread where the page may not share memory, and says why not on two', async () => {
    await openTab('?plain')
    expect((await ask('open', {})).threads).toBe(1)
    await expect(ask('open', { threads: 2 })).rejects.toThrow(/OptionError: threads is 2.*Cross-Origin-Opener-Policy: same-origin/)
  })

  it('takes the WebAssembly from where it is told, and says when it is not there', async () => {
    const before = server.requests.length
    expect((await ask('continueGreedily', { ...few, device: { wasmPath: '/wasm' } })).ids).toEqual(expected.greedy_ids.slice(0, 4))
    const wasm = server.requests.slice(before).filter((request) => request.endsWith('.wasm'))
    expect(wasm).toEqual(['GET /wasm/ort-wasm-simd-threaded.wasm'])
    await expect(ask('open', { wasmPath: '/elsewhere/' })).rejects.toThrow(/OptionError: wasmPath is .*elsewhere.*started with/)
    await openTab('')
    await expect(ask('open', { wasmPath: '/elsewhere/' })).rejects.toThrow(/RuntimeError: .*WebAssembly does not start.*wasmPath/)
  })

  it.each<[DeviceOptions, RegExp]>([
    [{ provider: 'webgpu' }, /RuntimeError: .*WebGPU.*provider: 'wasm'/],
    [{ provider: 'webgl' as 'webgpu' }, /OptionError: provider is webgl/],
    [{ spinning: true }, /OptionError: spinning is true/],
    [{ worker: true }, /OptionError: worker is true.*Web Worker/],
    [{ driver: 'onnxruntime-node' }, /OptionError: driver is onnxruntime-node.*onnxruntime-web/],
    [{ threads: 0 }, /OptionError: threads is 0/],
    [{ wasmPath: 'http://' }, /OptionError: wasmPath "http:\/\/" is no URL/],
    [{ cores: 2 } as DeviceOptions, /OptionError: unknown device option 'cores'/],
  ])('refuses %o', async (options, message) => {
    await expect(ask('open', options)).rejects.toThrow(message)
  })
})
