import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, onTestFinished, test } from 'vitest'
import { DataError } from '../../../src/base/errors.ts'
import { openAppendFile } from '../../../src/platform/append-file.ts'
import { streamByteLines } from '../../../src/platform/byte-lines.ts'

function fileOfTest(): string {
  const folder = mkdtempSync(join(tmpdir(), 'nextx-lines-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return join(folder, 'file')
}

async function read(path: string, maxBytes?: number) {
  const lines: { text: string; offset: number; whole: boolean }[] = []
  for await (const { bytes, offset, whole } of streamByteLines(path, maxBytes === undefined ? {} : { maxBytes }))
    lines.push({ text: Buffer.from(bytes).toString('latin1'), offset, whole })
  return lines
}

test('lines and their places are those of a split, wherever the pieces of the file end', async () => {
  const path = fileOfTest()
  // Pieces have 256 KiB.
  const length = fc.oneof(fc.nat(3), fc.integer({ min: 2 ** 18 - 3, max: 2 ** 18 + 3 }), fc.constant(600_000))
  await fc.assert(
    fc.asyncProperty(fc.array(length, { maxLength: 6 }), fc.boolean(), async (lengths, ended) => {
      const parts = lengths.map((count, i) => String.fromCharCode(97 + i).repeat(count))
      const text = parts.join('\n') + (ended && parts.length > 0 ? '\n' : '')
      writeFileSync(path, text)
      const expected = text.split('\n').map((line) => line)
      const last = expected.pop()!
      let offset = 0
      const lines = expected.map((line) => {
        const found = { text: line, offset, whole: true }
        offset += line.length + 1
        return found
      })
      expect(await read(path)).toEqual(last === '' ? lines : [...lines, { text: last, offset, whole: false }])
    }),
    { numRuns: 30 },
  )
})

test('long lines, and what is no file, are refused', async () => {
  const path = fileOfTest()
  writeFileSync(path, `short\n${'x'.repeat(100)}`)
  await expect(read(path, 50)).rejects.toThrow(/a line of '.*' is too long; expected at most 50 bytes/)
  await expect(read(`${path}-none`)).rejects.toBeInstanceOf(DataError)
  await expect(read(tmpdir())).rejects.toBeInstanceOf(DataError)
})

test('what is appended at once lies one behind the other, where it was said', async () => {
  const path = fileOfTest()
  writeFileSync(path, 'kept, and cut')
  const file = await openAppendFile(path, { keep: 4 })
  const texts = Array.from({ length: 50 }, (_, i) => `☂${i} `)
  const offsets = await Promise.all(texts.map((text) => file.append(text)))
  await file.sync()
  for (const [i, text] of texts.entries()) {
    const { length } = Buffer.from(text)
    expect(Buffer.from(await file.read(offsets[i]!, length)).toString()).toBe(text)
  }
  expect(file.size).toBe(4 + Buffer.from(texts.join('')).length)
  await expect(file.read(file.size, 1)).rejects.toBeInstanceOf(DataError)
  await file[Symbol.asyncDispose]()
})
