import { describe, expect, it } from 'vitest'
import { DataError, MismatchError, OptionError } from '../../../src/base/errors.ts'
import { type TokenDatasetOptions, tokenDataset } from '../../../src/data/index.ts'
import { documentsOf } from './temporary-files.ts'

/** One id per character: its code. */
const codes = { vocabularySize: 128, encode: (text: string) => Array.from(text, (character) => character.charCodeAt(0)) }
const returning = (id: number) => ({ vocabularySize: 128, encode: () => [id] })

describe('tokenDataset', () => {
  it('lays documents end to end, with ends when asked', async () => {
    const plain = await tokenDataset(documentsOf('ab', '', 'c'), codes)
    expect(plain).toEqual({ tokens: Uint16Array.of(97, 98, 99), starts: Int32Array.of(0, 2, 3), vocabularySize: 128 })
    const ended = await tokenDataset(documentsOf('ab', '', 'c'), codes, { endToken: 0 })
    expect(ended.tokens).toEqual(Uint16Array.of(97, 98, 0, 0, 99, 0))
    expect(ended.starts).toEqual(Int32Array.of(0, 3, 4, 6))
  })

  it('takes four bytes per id only when two are too few', async () => {
    const ofSize = async (vocabularySize: number) => (await tokenDataset(documentsOf('a'), { ...codes, vocabularySize })).tokens
    expect(await ofSize(65_536)).toBeInstanceOf(Uint16Array)
    expect(await ofSize(65_537)).toBeInstanceOf(Int32Array)
    const widest = { vocabularySize: 65_536, encode: () => [65_535] }
    expect((await tokenDataset(documentsOf('a'), widest)).tokens[0]).toBe(65_535)
  })

  it('joins more tokens than a block holds', async () => {
    const many = {
      vocabularySize: 1000,
      encode: (text: string) => Array.from({ length: Number(text) }, (_, index) => index % 1000),
    }
    const { tokens, starts } = await tokenDataset(documentsOf('700000', '1500000'), many)
    expect(starts).toEqual(Int32Array.of(0, 700_000, 2_200_000))
    expect(tokens.length).toBe(2_200_000)
    expect(tokens.every((token, index) => token === (index < 700_000 ? index : index - 700_000) % 1000)).toBe(true)
  })

  it('reports progress and stops when aborted', async () => {
    const seen: unknown[] = []
    await tokenDataset(documentsOf('ab', 'c'), codes, { onProgress: (progress) => seen.push(progress) })
    expect(seen).toEqual([
      { documents: 1, tokens: 2 },
      { documents: 2, tokens: 3 },
    ])
    const controller = new AbortController()
    const reason = new Error('enough')
    const aborted = tokenDataset(documentsOf('a', 'b', 'c'), codes, {
      signal: controller.signal,
      onProgress: ({ documents }) => documents === 2 && controller.abort(reason),
    })
    await expect(aborted).rejects.toBe(reason)
  })

  it('refuses ids outside the vocabulary, no tokens, and unknown options', async () => {
    for (const id of [128, -1, 0.5, Number.NaN])
      await expect(tokenDataset(documentsOf('a'), returning(id))).rejects.toThrow(MismatchError)
    await expect(tokenDataset(documentsOf('a'), codes, { endToken: 128 })).rejects.toThrow(MismatchError)
    await expect(tokenDataset(documentsOf('', ''), codes)).rejects.toThrow(DataError)
    for (const wrong of [{ endToken: -1 }, { endToken: 'end' }, { end: 1 }]) {
      await expect(tokenDataset(documentsOf('a'), codes, wrong as TokenDatasetOptions)).rejects.toThrow(OptionError)
    }
  })
})
