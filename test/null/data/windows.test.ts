import { describe, expect, it } from 'vitest'
import { DataError, OptionError } from '../../../src/base/errors.ts'
import { scoringWindows, shuffledWindows, type WindowOptions, windows } from '../../../src/data/index.ts'

/** Token i is i, so that a token tells where it was. */
const counting = (count: number) => Int32Array.from({ length: count }, (_, index) => index)

const rowsOf = (column: Int32Array, length: number) =>
  Array.from({ length: column.length / length }, (_, row) => [...column.subarray(row * length, (row + 1) * length)])

/** A window starts with its own position, goes on by one, and is predicted one later. */
function expectWindows({ x, y }: { x: Int32Array; y: Int32Array }, length: number): number[] {
  expect([...y]).toEqual([...x].map((token) => token + 1))
  return rowsOf(x, length).map((row) => {
    expect(row).toEqual(row.map((_, index) => row[0]! + index))
    return row[0]!
  })
}

describe('windows', () => {
  it('start anywhere a window fits, all places equally often', () => {
    const starts = new Map<number, number>()
    const source = windows(counting(14), { length: 4, batch: 5, seed: 1 })
    for (let step = 0; step < 400; step++) {
      for (const start of expectWindows(source.batchAt(step), 4)) starts.set(start, (starts.get(start) ?? 0) + 1)
    }
    // 10 places, 200 draws each expected, standard deviation 13.4
    expect([...starts.keys()].sort((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    for (const count of starts.values()) expect(Math.abs(count - 200)).toBeLessThan(67)
  })

  it('take the very last token, and work on the shortest data', () => {
    expect(windows(counting(5), { length: 4, batch: 1, seed: 1 }).batchAt(0)).toEqual({
      x: Int32Array.of(0, 1, 2, 3),
      y: Int32Array.of(1, 2, 3, 4),
    })
  })

  it('depend on the seed and the step alone', () => {
    const options = { length: 8, batch: 4, seed: 2 }
    const straight = windows(counting(1000), options)
    const first = Array.from({ length: 20 }, (_, step) => straight.batchAt(step))
    const resumed = windows(Uint16Array.from(counting(1000)), options)
    for (const step of [13, 2, 19, 0]) expect(resumed.batchAt(step)).toEqual(first[step])
    expect(new Set(first.map(({ x }) => x.join())).size).toBe(20)
    expect(windows(counting(1000), { ...options, seed: 3 }).batchAt(0)).not.toEqual(first[0])
  })
})

describe('shuffledWindows', () => {
  it('show every window once per epoch, in another order each time', () => {
    const source = shuffledWindows(counting(33), { length: 4, batch: 3, seed: 1 })
    expect(source.rowsPerEpoch).toBe(8)
    // 8 windows in rows of 3: three epochs are 8 batches
    const starts = Array.from({ length: 8 }, (_, step) => expectWindows(source.batchAt(step), 4)).flat()
    const epochs = [starts.slice(0, 8), starts.slice(8, 16), starts.slice(16)]
    for (const epoch of epochs) expect([...epoch].sort((a, b) => a - b)).toEqual([0, 4, 8, 12, 16, 20, 24, 28])
    expect(new Set(epochs.map(String)).size).toBe(3)
  })

  it('depend on the seed and the step alone', () => {
    const options = { length: 4, batch: 3, seed: 5 }
    const straight = shuffledWindows(counting(50), options)
    const batches = Array.from({ length: 12 }, (_, step) => straight.batchAt(step))
    for (const step of [11, 3, 4, 0]) expect(shuffledWindows(counting(50), options).batchAt(step)).toEqual(batches[step])
    for (const step of [11, 3, 4, 0]) expect(straight.batchAt(step)).toEqual(batches[step])
  })

  it('fit data of exactly one window', () => {
    expect(shuffledWindows(counting(5), { length: 4, batch: 2, seed: 1 }).rowsPerEpoch).toBe(1)
  })
})

describe('scoringWindows', () => {
  it.each([
    [2, 4, 3],
    [5, 4, 1],
    [13, 4, 3],
    [14, 4, 3],
    [50, 7, 2],
  ])('predict every one of %i tokens but the first, once (length %i, batch %i)', (count, length, batch) => {
    const source = scoringWindows(counting(count), { length, batch })
    const predicted: number[] = []
    for (let step = 0; step < source.steps; step++) {
      const { x, y, weight } = source.batchAt(step)
      expect([x.length, y.length, weight.length]).toEqual(Array(3).fill(length * batch))
      weight.forEach((value, slot) => {
        expect([0, 1]).toContain(value)
        if (value === 0) return
        expect(x[slot]).toBe(y[slot]! - 1)
        predicted.push(y[slot]!)
      })
    }
    expect(predicted).toEqual([...counting(count)].slice(1))
    expect(() => source.batchAt(source.steps)).toThrow(OptionError)
  })
})

describe('all of them refuse', () => {
  const makers = [
    windows,
    shuffledWindows,
    (tokens: Int32Array, { length, batch }: WindowOptions) => scoringWindows(tokens, { length, batch }),
  ]
  const good = { length: 4, batch: 2, seed: 1 }

  it.each(makers)('too little data (%#)', (make) => {
    expect(() => make(counting(1), good)).toThrow(DataError)
    expect(() => make(counting(0), good)).toThrow(DataError)
  })

  it.each(makers)('steps that are none (%#)', (make) => {
    for (const step of [-1, 0.5, Number.NaN, 2 ** 53]) expect(() => make(counting(9), good).batchAt(step)).toThrow(OptionError)
  })

  it.each(makers)('sizes that are none (%#)', (make) => {
    for (const wrong of [
      { length: 0 },
      { length: 1.5 },
      { batch: 0 },
      { batch: Number.NaN },
      { length: 2 ** 20, batch: 2 ** 20 },
    ]) {
      expect(() => make(counting(9), { ...good, ...wrong })).toThrow(OptionError)
    }
  })

  it('unknown options and bad seeds', () => {
    for (const make of [windows, shuffledWindows]) {
      for (const wrong of [{ seed: -1 }, { seed: 0.5 }, { seed: '1' }, { shuffle: true }]) {
        expect(() => make(counting(9), { ...good, ...wrong } as WindowOptions)).toThrow(OptionError)
      }
      expect(() => make(counting(4), good)).toThrow(DataError)
    }
    expect(() => scoringWindows(counting(9), good)).toThrow(OptionError)
  })
})
