import { execFileSync } from 'node:child_process'
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { DataError, OptionError } from '../../../src/base/errors.ts'
import {
  appendLine,
  exists,
  listFiles,
  makeDirectory,
  readFileBytes,
  resolveInside,
  streamLines,
  streamText,
  writeFileAtomic,
} from '../../../src/platform/index.ts'

let folder: string
const at = (...names: string[]): string => join(folder, ...names)

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'nextx-files-'))
})

afterEach(() => rm(folder, { recursive: true }))

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const item of items) all.push(item)
  return all
}

async function failure(call: Promise<unknown>): Promise<Error> {
  return call.then(
    () => new Error('it did not fail'),
    (error: Error) => error,
  )
}

describe('readFileBytes', () => {
  it('gives the bytes in memory of their own', async () => {
    await writeFile(at('a'), new Uint8Array([0, 255, 13, 10]))
    const bytes = await readFileBytes(at('a'))
    expect(bytes).toEqual(new Uint8Array([0, 255, 13, 10]))
    expect(bytes.buffer.byteLength).toBe(4)
    await writeFile(at('empty'), '')
    expect(await readFileBytes(at('empty'))).toHaveLength(0)
  })

  it('refuses a longer file than asked for', async () => {
    await writeFile(at('a'), 'four')
    expect(await readFileBytes(at('a'), { maxBytes: 4 })).toHaveLength(4)
    expect((await failure(readFileBytes(at('a'), { maxBytes: 3 }))).message).toMatch(/4 bytes; expected at most 3/)
  })

  it('names path, reason and cause of what cannot be read', async () => {
    const missing = await failure(readFileBytes(at('missing')))
    expect(missing).toBeInstanceOf(DataError)
    expect(missing.message).toContain(at('missing'))
    expect(missing.message).toContain('no such file')
    expect(missing.cause).toMatchObject({ code: 'ENOENT' })
    expect((await failure(readFileBytes(folder))).message).toContain('folder')
    await writeFile(at('a'), 'x')
    expect((await failure(readFileBytes(at('a', 'b')))).message).toContain('not a folder')
  })

  it.skipIf(process.getuid?.() === 0 || process.platform === 'win32')('names a lack of permission', async () => {
    await writeFile(at('a'), 'x')
    await chmod(at('a'), 0)
    expect((await failure(readFileBytes(at('a')))).message).toContain('permission denied')
  })

  it.skipIf(process.platform === 'win32')('does not wait for a pipe or read a device', async () => {
    execFileSync('mkfifo', [at('pipe')])
    expect((await failure(readFileBytes(at('pipe')))).message).toContain('not a regular file')
    expect((await failure(readFileBytes('/dev/zero'))).message).toContain('not a regular file')
    expect((await failure(collect(streamText(at('pipe'))))).message).toContain('not a regular file')
  })
})

describe('streamText', () => {
  // A stream's pieces have 64 KiB: every alignment of 2-, 3- and 4-byte characters with their border occurs.
  it.each([0, 1, 2, 3])('cuts no character in two (shift %i)', async (shift) => {
    const text = 'x'.repeat(shift) + 'é€😀'.repeat(30_000)
    await writeFile(at('a'), text)
    const pieces = await collect(streamText(at('a')))
    expect(pieces.length).toBeGreaterThan(1)
    expect(pieces.join('')).toBe(text)
    for (const piece of pieces) expect(piece).not.toMatch(/^[\uDC00-\uDFFF]|[\uD800-\uDBFF]$/)
  })

  it('leaves a byte order mark out and gives nothing for an empty file', async () => {
    await writeFile(at('a'), '\uFEFFtext')
    expect(await collect(streamText(at('a')))).toEqual(['text'])
    await writeFile(at('empty'), '')
    expect(await collect(streamText(at('empty')))).toEqual([])
  })

  it.each([
    ['a stray byte', [0x61, 0xff]],
    ['half a character at the end', [0x61, 0xe2, 0x82]],
    ['an encoded surrogate', [0xed, 0xa0, 0x80]],
  ])('refuses %s', async (_, bytes) => {
    await writeFile(at('a'), new Uint8Array(bytes))
    expect((await failure(collect(streamText(at('a'))))).message).toMatch(/is not text; expected UTF-8/)
  })

  it('can be left early, and tells what cannot be read', async () => {
    await writeFile(at('a'), 'x'.repeat(200_000))
    for await (const piece of streamText(at('a'))) {
      expect(piece).toMatch(/^x+$/)
      break
    }
    expect(await failure(collect(streamText(at('missing'))))).toBeInstanceOf(DataError)
  })
})

describe('streamLines', () => {
  it.each([
    ['', []],
    ['\n', ['']],
    ['a', ['a']],
    ['a\n', ['a']],
    ['a\r\nb\n\nc', ['a', 'b', '', 'c']],
    ['a\rb\n', ['a\rb']],
    ['\r\n\r\n', ['', '']],
  ])('splits %j', async (text, lines) => {
    await writeFile(at('a'), text)
    expect(await collect(streamLines(at('a')))).toEqual(lines)
  })

  it('joins lines over the borders of pieces', async () => {
    const lines = Array.from({ length: 3000 }, (_, i) => `${i}`.repeat(i % 97))
    await writeFile(at('a'), lines.map((line) => `${line}\r\n`).join(''))
    expect(await collect(streamLines(at('a')))).toEqual(lines)
  })

  it('refuses a line without end before it fills the memory', async () => {
    await writeFile(at('a'), `ok\n${'x'.repeat(300_000)}`)
    expect((await failure(collect(streamLines(at('a'), { maxLength: 100_000 })))).message).toMatch(/too long/)
    expect(await collect(streamLines(at('a'), { maxLength: 300_000 }))).toHaveLength(2)
  })
})

describe('writeFileAtomic', () => {
  it('writes text, bytes and streams, over what was there', async () => {
    await writeFileAtomic(at('a'), 'first, and long')
    await writeFileAtomic(at('a'), 'né')
    expect(await readFile(at('a'), 'utf8')).toBe('né')
    await writeFileAtomic(at('a'), new Uint8Array([9, 1, 2, 9]).subarray(1, 3))
    expect(await readFileBytes(at('a'))).toEqual(new Uint8Array([1, 2]))
    await writeFileAtomic(
      at('a'),
      (async function* () {
        yield new Uint8Array([1])
        yield new Uint8Array([2, 3])
      })(),
    )
    expect(await readFileBytes(at('a'))).toEqual(new Uint8Array([1, 2, 3]))
    await writeFileAtomic(at('a'), '')
    expect(await readFileBytes(at('a'))).toHaveLength(0)
  })

  it('leaves the old file whole and nothing else when it fails', async () => {
    await writeFile(at('a'), 'old')
    const broken = (async function* () {
      yield new Uint8Array([1, 2, 3])
      throw new Error('the source broke')
    })()
    expect((await failure(writeFileAtomic(at('a'), broken))).message).toMatch(/the source broke/)
    expect(await readFile(at('a'), 'utf8')).toBe('old')
    expect(await readdir(folder)).toEqual(['a'])
  })

  it('lets one of several writers at once win, whole', async () => {
    const texts = Array.from({ length: 8 }, (_, i) => `${i}`.repeat(100_000))
    await Promise.all(texts.map((text) => writeFileAtomic(at('a'), text)))
    expect(texts).toContain(await readFile(at('a'), 'utf8'))
    expect(await readdir(folder)).toEqual(['a'])
  })

  it('names a folder that is missing', async () => {
    expect((await failure(writeFileAtomic(at('missing', 'a'), 'x'))).message).toMatch(/cannot write .*no such file or folder/)
  })
})

describe('appendLine', () => {
  it('makes the file and adds line after line', async () => {
    await appendLine(at('log'), '{"step":1}')
    await appendLine(at('log'), '{"step":2}')
    expect(await readFile(at('log'), 'utf8')).toBe('{"step":1}\n{"step":2}\n')
  })

  it('leaves a torn last line on a line of its own', async () => {
    await writeFile(at('log'), '{"step":1}\n{"st')
    await appendLine(at('log'), '{"step":2}')
    expect(await collect(streamLines(at('log')))).toEqual(['{"step":1}', '{"st', '{"step":2}'])
  })

  it('refuses more than a line', async () => {
    expect(await failure(appendLine(at('log'), 'a\nb'))).toBeInstanceOf(OptionError)
    expect(await exists(at('log'))).toBe(false)
  })
})

describe('folders', () => {
  it('are made with those above them, once or twice', async () => {
    await makeDirectory(at('a', 'b'))
    await makeDirectory(at('a', 'b'))
    expect(await exists(at('a', 'b'))).toBe(true)
    expect(await exists(at('a', 'c'))).toBe(false)
    await writeFile(at('file'), '')
    expect(await exists(at('file', 'x'))).toBe(false)
    expect(await failure(makeDirectory(at('file')))).toBeInstanceOf(DataError)
    expect(await failure(makeDirectory(at('file', 'x')))).toBeInstanceOf(DataError)
  })
})

describe('listFiles', () => {
  beforeEach(async () => {
    for (const name of ['b.txt', 'a.txt', 'B.txt', 'sub/c.txt', 'sub/d.json', 'odd (1) [x].txt']) {
      await mkdir(at('sub'), { recursive: true })
      await writeFile(at(name), '')
    }
  })

  it.each<[string[], string[]]>([
    [['*.txt'], ['B.txt', 'a.txt', 'b.txt', 'odd (1) [x].txt']],
    [
      ['**/*.txt', 'a.txt'],
      ['B.txt', 'a.txt', 'b.txt', 'odd (1) [x].txt', 'sub/c.txt'],
    ],
    [
      ['**/*.txt', '!**/[abB].txt'],
      ['odd (1) [x].txt', 'sub/c.txt'],
    ],
    [['sub'], ['sub/c.txt', 'sub/d.json']],
    [['odd (1) [x].txt'], ['odd (1) [x].txt']],
    [['{a,b}.txt'], ['a.txt', 'b.txt']],
  ])('%j', async (patterns, names) => {
    expect(await listFiles(patterns, { folder })).toEqual(names.map((name) => at(name)))
  })

  it('takes absolute patterns and names', async () => {
    expect(await listFiles([`${folder}/sub/*.json`])).toEqual([at('sub', 'd.json')])
    expect(await listFiles([at('a.txt')])).toEqual([at('a.txt')])
  })

  it('refuses a pattern that matches nothing', async () => {
    expect((await failure(listFiles(['a.txt', '*.csv'], { folder }))).message).toMatch(/no file matches '\*\.csv'/)
    expect(await failure(listFiles(['a.txt', '!*.txt'], { folder }))).toBeInstanceOf(DataError)
  })

  it('ends where links run in a circle', async () => {
    await symlink(at('sub'), at('sub', 'loop'))
    expect((await listFiles(['sub/**/*.json'], { folder })).includes(at('sub', 'd.json'))).toBe(true)
  })
})

describe('resolveInside', () => {
  beforeEach(async () => {
    await mkdir(at('root', 'sub'), { recursive: true })
    await writeFile(at('root', 'sub', 'file'), '')
    await writeFile(at('secret'), '')
    await mkdir(at('root-twin'))
    await symlink(at('secret'), at('root', 'out'))
    await symlink(at('root-twin'), at('root', 'twin'))
    await symlink(at('nowhere'), at('root', 'dangling'))
    await symlink(at('root', 'sub'), at('root', 'in'))
  })

  it.each([
    ['sub/file', 'sub/file'],
    ['./sub/file', 'sub/file'],
    ['in/file', 'sub/file'],
    ['new', 'new'],
    ['in/new', 'sub/new'],
    ['new/folder/file', 'new/folder/file'],
    ['..file', '..file'],
    ['a..b', 'a..b'],
  ])('%s', async (name, place) => {
    expect(await resolveInside(at('root'), name)).toBe(at('root', place))
  })

  it.each([
    '',
    '.',
    'sub/..',
    '..',
    '../secret',
    'sub/../../secret',
    '/etc/passwd',
    'C:\\x',
    'C:x',
    '\\\\server\\share',
    '..\\secret',
    'sub\\file',
    'http://example.org/x',
    'file:///etc/passwd',
    'data:text/plain,x',
    'a\0b',
    'out',
    'twin/file',
    'dangling',
    'dangling/file',
  ])('refuses %j', async (name) => {
    expect(await failure(resolveInside(at('root'), name))).toBeInstanceOf(DataError)
  })

  it('refuses a root that is missing', async () => {
    expect(await failure(resolveInside(at('missing'), 'x'))).toBeInstanceOf(DataError)
  })
})
