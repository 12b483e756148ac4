import { describe, expect, test } from 'vitest'
import { Codebook, type CodebookOptions } from '../../../../src/tokenizers/image/codebook.ts'
import { assigned, evaluate, normals, numbers, startOf, type Values } from './evaluate.ts'

const squaredDistance = (a: readonly number[], b: readonly number[]) => a.reduce((sum, x, i) => sum + (x - b[i]!) ** 2, 0)
const rowsOf = (data: Float64Array, width: number) =>
  Array.from({ length: data.length / width }, (_, i) => [...data.slice(i * width, (i + 1) * width)])
const unit = (row: readonly number[]) => row.map((x) => x / Math.hypot(...row))

async function opened(options: CodebookOptions): Promise<{ codebook: Codebook; values: Values }> {
  const codebook = new Codebook(options)
  return { codebook, values: await startOf(codebook) }
}

function learned(codebook: Codebook, values: Values, vectors: readonly (readonly number[])[], picks?: readonly number[]) {
  const given = {
    vectors: numbers([vectors.length, vectors[0]!.length], vectors.flat()),
    picks: numbers([vectors.length], picks ?? vectors.map((_, i) => (i + 1) / (vectors.length + 1))),
  }
  return assigned(given, values, ({ vectors: x, picks: u }) => codebook.learn(x!, codebook.nearest(x!), u!).updates)
}

describe('Codebook', () => {
  test.each([false, true])('finds the nearest of all rows (rows of length 1: %s)', async (normalize) => {
    const { codebook, values } = await opened({ codes: 17, dimension: 3, normalize })
    const rows = rowsOf(values.get(codebook.rows)!.data, 3)
    const vectors = normals([4, 5, 3], 2)
    const [ids, found] = evaluate({ vectors }, values, ({ vectors: x }) => {
      const nearest = codebook.nearest(codebook.comparable(x!))
      return [nearest, codebook.lookup(nearest)]
    })
    const prepared = normalize ? unit : (row: readonly number[]) => row
    for (const [i, vector] of rowsOf(vectors.data, 3).entries()) {
      const distances = rows.map((row) => squaredDistance(prepared(row), prepared(vector)))
      expect(ids![i]).toBe(distances.indexOf(Math.min(...distances)))
      const row = prepared(rows[ids![i]!]!)
      for (const [j, x] of row.entries()) expect(found![i * 3 + j]).toBeCloseTo(x, 5)
    }
  })

  test('rows follow moving sums over moving counts', async () => {
    const { codebook, values: start } = await opened({ codes: 2, dimension: 1, decay: 0.8, restart: 0 })
    let values: Values = new Map([
      [codebook.rows, numbers([2, 1], [-1, 1])],
      [codebook.usage, numbers([2], [0.5, 1.5])],
      ...[...start].filter(([variable]) => variable !== codebook.rows && variable !== codebook.usage),
    ])
    // van den Oord et al. 2017, equations 6 to 8; counts are shares of the average count.
    const [counts, sums] = [
      [0.5, 1.5],
      [-0.5, 1.5],
    ]
    for (const batch of [
      [[-3], [-2], [0.2], [2]],
      [[-1], [-1.5], [-2], [4]],
    ]) {
      const rows = values.get(codebook.rows)!.data
      for (const code of [0, 1]) {
        const own = batch.flat().filter((x) => Number(Math.abs(x - rows[0]!) > Math.abs(x - rows[1]!)) === code)
        counts[code] = 0.8 * counts[code]! + 0.2 * ((own.length * 2) / 4)
        sums[code] = 0.8 * sums[code]! + 0.2 * ((own.reduce((a, b) => a + b, 0) * 2) / 4)
      }
      values = learned(codebook, values, batch)
      for (const code of [0, 1]) {
        expect(values.get(codebook.usage)!.data[code]).toBeCloseTo(counts[code]!, 6)
        expect(values.get(codebook.rows)!.data[code]).toBeCloseTo(sums[code]! / counts[code]!, 6)
      }
    }
  })

  test('the first batch gives the first rows, each another vector', async () => {
    const { codebook, values } = await opened({ codes: 5, dimension: 2 })
    const vectors = rowsOf(normals([20, 2], 3).data, 2).map((row) => row.map((x) => x + 10))
    const next = rowsOf(learned(codebook, values, vectors).get(codebook.rows)!.data, 2)
    for (const row of next) expect(Math.min(...vectors.map((vector) => squaredDistance(row, vector)))).toBeLessThan(1e-9)
    expect(new Set(next.map(String)).size).toBe(5)
  })

  test('dead codes take the places of what is approximated badly; the others keep theirs', async () => {
    const { codebook } = await opened({ codes: 3, dimension: 1, decay: 0.9, restart: 0.2 })
    const values: Values = new Map([
      [codebook.rows, numbers([3, 1], [0, 5, 50])],
      [codebook.usage, numbers([3], [1.5, 1.5, 0.01])],
    ])
    // 7 is 2 away from its row, all others are rows themselves.
    const next = learned(codebook, values, [[0], [0], [0], [5], [7], [5]], [0.9, 0.9, 0.9, 0.9, 0.01, 0.9])
    expect(next.get(codebook.rows)!.data[2]).toBeCloseTo(7, 6)
    expect(next.get(codebook.rows)!.data[0]).toBeCloseTo(0, 6)
    expect(next.get(codebook.rows)!.data[1]).toBeGreaterThan(5)
    expect(next.get(codebook.usage)!.data[2]).toBeGreaterThan(0.2)
  })

  test('more dead codes than vectors: the rest stays dead', async () => {
    const { codebook, values } = await opened({ codes: 6, dimension: 1 })
    const next = learned(codebook, values, [[3], [4]])
    const rows = [...next.get(codebook.rows)!.data]
    expect([...rows.slice(0, 2)].sort()).toEqual([3, 4])
    expect(rows.slice(2)).toEqual([...values.get(codebook.rows)!.data.slice(2)])
    expect([...next.get(codebook.usage)!.data.slice(2)].every((usage) => usage < 0.1)).toBe(true)
  })

  test('comes to use all codes where one row was nearest to everything', async () => {
    const { codebook } = await opened({ codes: 8, dimension: 1, decay: 0.9 })
    // All rows in one place: seven are dead at once, and stay so without a restart.
    let values: Values = new Map([
      [codebook.rows, numbers([8, 1], [0, 30, 31, 32, 33, 34, 35, 36])],
      [codebook.usage, numbers([8], [8, 0, 0, 0, 0, 0, 0, 0])],
    ])
    const vectors = Array.from({ length: 32 }, (_, i) => [(i % 8) + 0.01 * Math.floor(i / 8)])
    for (let step = 0; step < 40; step++) {
      const picks = [...evaluate({ noise: normals([32], step) }, values, ({ noise }) => [noise!])[0]!].map(
        (x) => 1 / (1 + Math.exp(-x)),
      )
      values = learned(codebook, values, vectors, picks)
    }
    const rows = values.get(codebook.rows)!.data
    const errors = vectors.map(([x]) => Math.min(...[...rows].map((row) => (row - x!) ** 2)))
    // One row alone would leave the variance of 0 … 7, which is 5.25.
    expect(errors.reduce((a, b) => a + b) / errors.length).toBeLessThan(0.2)
    expect([...values.get(codebook.usage)!.data].every((usage) => usage > 0.1)).toBe(true)
  })

  test('the average is that of what codes stand for', async () => {
    const { codebook } = await opened({ codes: 2, dimension: 1 })
    const values: Values = new Map([
      [codebook.rows, numbers([2, 1], [2, 6])],
      [codebook.usage, numbers([2], [1.5, 0.5])],
    ])
    expect(evaluate({}, values, () => [codebook.average()])[0]![0]).toBeCloseTo(3, 5)
  })
})
