import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { DataError, OptionError } from '../../../src/base/errors.ts'
import { type SplitOptions, splitDocuments } from '../../../src/data/index.ts'
import { all, documentsOf } from './temporary-files.ts'

const numbered = (count: number) => Array.from({ length: count }, (_, index) => `document ${index}`)

describe('splitDocuments by number', () => {
  it('parts the documents, in order, the same way every time', async () => {
    const texts = numbered(2000)
    const { train, validation } = splitDocuments(documentsOf(...texts), { validation: 0.1, seed: 3 })
    const held = new Set(await all(validation))
    expect(await all(train)).toEqual(texts.filter((text) => !held.has(text)))
    expect([...held]).toEqual(texts.filter((text) => held.has(text)))
    // 200 expected, standard deviation 13.4
    expect(Math.abs(held.size - 200)).toBeLessThan(60)
    expect(await all(splitDocuments(documentsOf(...texts), { validation: 0.1, seed: 3 }).validation)).toEqual([...held])
    expect(await all(splitDocuments(documentsOf(...texts), { validation: 0.1, seed: 4 }).validation)).not.toEqual([...held])
  })

  it('decides by number alone, so that what follows changes nothing', async () => {
    const heldOf = async (count: number) =>
      all(splitDocuments(documentsOf(...numbered(count)), { validation: 0.3, seed: 1 }).validation)
    expect((await heldOf(200)).filter((text) => Number(text.split(' ')[1]) < 100)).toEqual(await heldOf(100))
  })
})

describe('splitDocuments by position', () => {
  it('cuts off the end of the whole text', async () => {
    const text = fc.array(fc.string({ unit: fc.constantFrom('a', 'é', '😀'), minLength: 1, maxLength: 20 }), {
      minLength: 1,
      maxLength: 6,
    })
    await fc.assert(
      fc.asyncProperty(text, fc.double({ min: 0.05, max: 0.95, noNaN: true }), async (texts, fraction) => {
        const whole = texts.join('')
        const held = Math.round(whole.length * fraction)
        fc.pre(held > 0 && held < whole.length)
        const { train, validation } = splitDocuments(documentsOf(...texts), { validation: 'last', fraction })
        const head = (await all(train)).join('')
        const cut = whole.length - held
        // a surrogate pair across the cut stays whole, before it
        const inPair = /^[\ud800-\udbff][\udc00-\udfff]$/.test(whole.slice(cut - 1, cut + 1))
        expect(head).toBe(whole.slice(0, inPair ? cut + 1 : cut))
        if (head === whole) await expect(all(validation)).rejects.toThrow(DataError)
        else expect(head + (await all(validation)).join('')).toBe(whole)
      }),
      { seed: 2, numRuns: 100 },
    )
  })

  it('keeps documents apart and cuts one at most', async () => {
    const { train, validation } = splitDocuments(documentsOf('aaaa', 'bbbb', 'cc'), { validation: 'last', fraction: 0.4 })
    expect(await all(train)).toEqual(['aaaa', 'bb'])
    expect(await all(validation)).toEqual(['bb', 'cc'])
    const even = splitDocuments(documentsOf('aaaa', 'bbbb'), { validation: 'last', fraction: 0.5 })
    expect([await all(even.train), await all(even.validation)]).toEqual([['aaaa'], ['bbbb']])
  })
})

describe('splitDocuments refuses', () => {
  it('parts without documents', async () => {
    await expect(all(splitDocuments(documentsOf('short'), { validation: 'last', fraction: 0.01 }).validation)).rejects.toThrow(
      DataError,
    )
    const single = splitDocuments(documentsOf('alone'), { validation: 0.5, seed: 1 })
    const ends = await Promise.allSettled([all(single.train), all(single.validation)])
    expect(ends.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
    await expect(all(splitDocuments(documentsOf(), { validation: 'last', fraction: 0.5 }).train)).rejects.toThrow(DataError)
  })

  it('other options', () => {
    const options: object[] = [
      {},
      { validation: 0, seed: 1 },
      { validation: 1, seed: 1 },
      { validation: Number.NaN, seed: 1 },
      { validation: 0.1 },
      { validation: 0.1, seed: -1 },
      { validation: 0.1, seed: 1, fraction: 0.1 },
      { validation: 'first', fraction: 0.1 },
      { validation: 'last' },
      { validation: 'last', fraction: 1.5 },
      { validation: 'last', fraction: 0.1, seed: 1 },
    ]
    for (const wrong of options) expect(() => splitDocuments(documentsOf('a'), wrong as SplitOptions)).toThrow(OptionError)
    expect(() => splitDocuments(documentsOf('a'), undefined as unknown as SplitOptions)).toThrow(OptionError)
  })
})
