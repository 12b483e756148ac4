import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { DataError, MismatchError, OptionError } from '../../../src/base/errors.ts'
import { type PackedBatch, type PackOptions, packDocuments, type TokenDataset } from '../../../src/data/index.ts'
import { packed } from '../../../src/orders/index.ts'

const startToken = 999_999

/** Document d holds the tokens 1000 d, 1000 d + 1, … */
function datasetOf(lengths: readonly number[]): TokenDataset {
  const tokens = lengths.flatMap((length, document) => Array.from({ length }, (_, index) => 1000 * document + index))
  const starts = [0, ...lengths].map((_, document) => lengths.slice(0, document).reduce((sum, length) => sum + length, 0))
  return { tokens: Int32Array.from(tokens), starts: Int32Array.from(starts), vocabularySize: 1_000_000 }
}

interface Row {
  readonly x: number[]
  readonly y: number[]
  readonly weight: number[]
  readonly segment: number[]
  readonly position: number[]
}

function rowsOf(batch: PackedBatch, length: number): Row[] {
  const cut = (column: Int32Array | Float32Array, row: number) => [...column.subarray(row * length, (row + 1) * length)]
  return Array.from({ length: batch.x.length / length }, (_, row) => ({
    x: cut(batch.x, row),
    y: cut(batch.y, row),
    weight: cut(batch.weight, row),
    segment: cut(batch.segment, row),
    position: cut(batch.position, row),
  }))
}

/** All rows of one epoch. */
function epochOf(dataset: TokenDataset, options: Omit<PackOptions, 'batch' | 'seed'>): Row[] {
  const source = packDocuments(dataset, { ...options, batch: 1, seed: 1 })
  return Array.from({ length: source.rowsPerEpoch }, (_, step) => rowsOf(source.batchAt(step), options.length)[0]!)
}

const someLengths = fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 12 })

describe('packDocuments', () => {
  it.each([false, true])('predicts every token once, from the token before (start token: %s)', (withStart) => {
    fc.assert(
      fc.property(someLengths, fc.integer({ min: 1, max: 9 }), (lengths, length) => {
        fc.pre(withStart || lengths.some((each) => each > 1))
        const dataset = datasetOf(lengths)
        const predicted: number[] = []
        for (const { x, y, weight } of epochOf(dataset, { length, ...(withStart ? { startToken } : {}) })) {
          weight.forEach((value, slot) => {
            const before = y[slot]! % 1000 === 0 ? startToken : y[slot]! - 1
            expect([x[slot], y[slot], value]).toEqual(value === 0 ? [0, 0, 0] : [before, y[slot], 1])
            if (value === 1) predicted.push(y[slot]!)
          })
        }
        const expected = [...dataset.tokens].filter((token) => withStart || token % 1000 > 0)
        expect(predicted.sort((a, b) => a - b)).toEqual(expected)
      }),
      { seed: 1, numRuns: 60 },
    )
  })

  it('gives rows the segments and positions of the packed order', () => {
    fc.assert(
      fc.property(someLengths, fc.integer({ min: 2, max: 9 }), (lengths, length) => {
        for (const { segment, position, weight } of epochOf(datasetOf(lengths), { length, startToken })) {
          const sizes = Array.from(
            { length: Math.max(...segment) },
            (_, index) => segment.filter((number) => number === index + 1).length,
          )
          const plan = packed(sizes).plan({ parts: [{ shape: [length] }] })
          expect(segment).toEqual([...plan.segment])
          expect(position).toEqual([...plan.position[0]!])
          // what fills the row up is its last segment
          expect(weight.map((value) => value === 0)).toEqual(segment.map((number) => weight.includes(0) && number === sizes.length))
        }
      }),
      { seed: 2, numRuns: 50 },
    )
  })

  it('keeps segments to one document', () => {
    const rows = epochOf(datasetOf([3, 5, 2, 4]), { length: 8, startToken })
    for (const { y, weight, segment } of rows) {
      for (const number of new Set(segment)) {
        const documents = y
          .filter((_, slot) => segment[slot] === number && weight[slot] === 1)
          .map((token) => Math.floor(token / 1000))
        expect(new Set(documents).size).toBeLessThanOrEqual(1)
      }
    }
  })

  it('fills rows well: no two of them could be one, and tight fits are found', () => {
    expect(packDocuments(datasetOf([5, 3, 4, 4, 6, 2]), { length: 8, batch: 1, seed: 1, startToken })).toMatchObject({
      rowsPerEpoch: 3,
      fill: 1,
    })
    fc.assert(
      fc.property(someLengths, (lengths) => {
        const used = epochOf(datasetOf(lengths), { length: 12, startToken }).map(
          ({ weight }) => weight.filter((value) => value === 1).length,
        )
        const [least = 12, next = 12] = used.sort((a, b) => a - b)
        if (used.length > 1) expect(least + next).toBeGreaterThan(12)
      }),
      { seed: 3, numRuns: 50 },
    )
  })

  it('shuffles rows anew in every epoch, by seed and step alone', () => {
    const options = { length: 4, batch: 3, seed: 1, startToken }
    const dataset = datasetOf([4, 4, 4, 4, 4, 4])
    const source = packDocuments(dataset, options)
    const documents = Array.from({ length: 4 }, (_, step) => rowsOf(source.batchAt(step), 4).map(({ y }) => y[0]! / 1000)).flat()
    expect(documents.slice(0, 6).sort()).toEqual([0, 1, 2, 3, 4, 5])
    expect(documents.slice(6).sort()).toEqual([0, 1, 2, 3, 4, 5])
    expect(packDocuments(dataset, options).batchAt(3)).toEqual(source.batchAt(3))
    expect(source.batchAt(0)).not.toEqual(source.batchAt(2))
    expect(packDocuments(dataset, { ...options, seed: 2 }).batchAt(0)).not.toEqual(source.batchAt(0))
  })

  it('refuses data without predictions, foreign start tokens and other options', () => {
    const good = { length: 4, batch: 2, seed: 1 }
    expect(() => packDocuments(datasetOf([1, 1]), good)).toThrow(DataError)
    expect(() => packDocuments(datasetOf([4]), { ...good, startToken: 1_000_000 })).toThrow(MismatchError)
    for (const wrong of [{ length: 0 }, { batch: 0.5 }, { seed: -1 }, { startToken: -1 }, { pad: 0 }]) {
      expect(() => packDocuments(datasetOf([4]), { ...good, ...wrong } as PackOptions)).toThrow(OptionError)
    }
    for (const step of [-1, 0.5]) expect(() => packDocuments(datasetOf([4]), good).batchAt(step)).toThrow(OptionError)
  })
})
