import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { DataError, OptionError } from '../../../src/base/errors.ts'
import { type TextDocumentsOptions, textDocuments } from '../../../src/data/index.ts'
import { all, folderOf } from './temporary-files.ts'

describe('text files', () => {
  it('are a document each, in the order of their names', async () => {
    const folder = await folderOf({ 'b.txt': 'second\nfile\n', 'a.txt': '\ufefffirst', 'c.md': 'other', 'd.txt': ' \n' })
    const documents = textDocuments({ files: '*.txt', folder, format: 'text' })
    expect(await all(documents)).toEqual(['first', 'second\nfile\n'])
    // and may be read again
    expect(await all(documents)).toEqual(['first', 'second\nfile\n'])
  })

  it('are cut at a separator as String.split cuts them', async () => {
    const text = fc.string({ unit: fc.constantFrom('a', 'b', '|', '\n', 'é', '😀'), maxLength: 60 })
    // longer than the 64 KiB in which files are read, so that separators fall on borders
    const padded = fc
      .tuple(text, fc.integer({ min: 65_500, max: 65_540 }), text)
      .map(([head, width, tail]) => head.padEnd(width, 'ab|') + tail)
    await fc.assert(
      fc.asyncProperty(fc.oneof(text, padded), fc.constantFrom('|', 'ab', 'aa', 'b|a', '😀', 'zz'), async (content, separator) => {
        const folder = await folderOf({ 'a.txt': `${content}|.`, 'b.txt': 'end' })
        const expected = [...`${content}|.`.split(separator), 'end'].filter((document) => document.trim() !== '')
        expect(await all(textDocuments({ files: ['a.txt', 'b.txt'], folder, format: 'text', separator }))).toEqual(expected)
      }),
      { seed: 1, numRuns: 40 },
    )
  })

  it('are cut at a separator wherever the pieces that files are read in cut it', async () => {
    const separator = '<end>'
    for (let before = 0; before <= separator.length; before++) {
      const first = 'x'.repeat(65_536 - before)
      const folder = await folderOf({ 'a.txt': `${first}${separator}second` })
      expect(await all(textDocuments({ files: 'a.txt', folder, format: 'text', separator }))).toEqual([first, 'second'])
    }
  })

  it('are read no further than they are used', async () => {
    const tooFar = Uint8Array.from([...new TextEncoder().encode('first|second|'.padEnd(300_000, 'x')), 0xff])
    const folder = await folderOf({ 'a.txt': tooFar })
    const documents = textDocuments({ files: 'a.txt', folder, format: 'text', separator: '|' })
    for await (const document of documents) {
      expect(document).toBe('first')
      break
    }
    await expect(all(documents)).rejects.toThrow(/UTF-8/)
  })

  it('are refused when a document is too long, which a separator mends', async () => {
    const folder = await folderOf({ 'a.txt': `${'x'.repeat(70_000)}|${'y'.repeat(70_000)}` })
    const options: TextDocumentsOptions = { files: 'a.txt', folder, format: 'text', maxLength: 70_000 }
    await expect(all(textDocuments(options))).rejects.toThrow(/too long; expected at most 70000/)
    expect((await all(textDocuments({ ...options, separator: '|' }))).map(({ length }) => length)).toEqual([70_000, 70_000])
    await expect(all(textDocuments({ ...options, separator: '|', maxLength: 69_999 }))).rejects.toThrow(DataError)
  })
})

describe('lines', () => {
  it('are a document each, blank ones left out', async () => {
    const folder = await folderOf({ 'a.txt': 'one\r\n\n  \ntwo|\nthree' })
    expect(await all(textDocuments({ files: 'a.txt', folder, format: 'lines' }))).toEqual(['one', 'two|', 'three'])
    await expect(all(textDocuments({ files: 'a.txt', folder, format: 'lines', maxLength: 4 }))).rejects.toThrow(DataError)
  })
})

describe('JSON lines', () => {
  it('give one field each', async () => {
    const folder = await folderOf({ 'a.jsonl': '{"text": "one", "story": "1"}\n\n{"text": "tw\\u006f", "story": "2"}' })
    expect(await all(textDocuments({ files: 'a.jsonl', folder, format: 'jsonl' }))).toEqual(['one', 'two'])
    expect(await all(textDocuments({ files: 'a.jsonl', folder, format: 'jsonl', field: 'story' }))).toEqual(['1', '2'])
  })

  it.each(['{"text": "one"', '{"text": 1}', '{}', '[]', 'null', '"text"', '{"text": ["a"]}', `${'['.repeat(9999)}`])(
    'are refused with file and line when one is %s',
    async (line) => {
      const folder = await folderOf({ 'a.jsonl': `{"text": "fine"}\n\n${line}\n` })
      const read = all(textDocuments({ files: 'a.jsonl', folder, format: 'jsonl' }))
      await expect(read).rejects.toThrow(DataError)
      await expect(read).rejects.toThrow(/line 3 of '.*a\.jsonl'/)
    },
  )

  it('have only fields of their own', async () => {
    const folder = await folderOf({ 'a.jsonl': '{"__proto__": {"text": "x"}}' })
    await expect(all(textDocuments({ files: 'a.jsonl', folder, format: 'jsonl' }))).rejects.toThrow(DataError)
    await expect(all(textDocuments({ files: 'a.jsonl', folder, format: 'jsonl', field: 'toString' }))).rejects.toThrow(DataError)
  })
})

describe('textDocuments refuses', () => {
  it('files that are missing, empty or no text', async () => {
    const folder = await folderOf({ 'empty.txt': '', 'binary.txt': Uint8Array.of(0xff, 0xfe, 0x00) })
    await expect(all(textDocuments({ files: 'none.txt', folder, format: 'text' }))).rejects.toThrow(DataError)
    await expect(all(textDocuments({ files: 'empty.txt', folder, format: 'text' }))).rejects.toThrow(/no text/)
    await expect(all(textDocuments({ files: 'binary.txt', folder, format: 'text' }))).rejects.toThrow(/UTF-8/)
  })

  it('options that are unknown or belong to another format', () => {
    const options: object[] = [
      {},
      { files: 'a', format: 'csv' },
      { files: [], format: 'text' },
      { files: '', format: 'text' },
      { files: 'a', format: 'text', field: 'text' },
      { files: 'a', format: 'lines', separator: '|' },
      { files: 'a', format: 'text', separator: '' },
      { files: 'a', format: 'lines', maxLength: 0 },
      { files: 'a', format: 'lines', encoding: 'latin1' },
    ]
    for (const wrong of options) expect(() => textDocuments(wrong as TextDocumentsOptions)).toThrow(OptionError)
    expect(() => textDocuments(null as unknown as TextDocumentsOptions)).toThrow(OptionError)
  })
})
