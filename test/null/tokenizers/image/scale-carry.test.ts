import { describe, expect, test } from 'vitest'
import { OptionError } from '../../../../src/base/errors.ts'
import { type Conv2d, resizeMatrix } from '../../../../src/nn/index.ts'
import type { Tensor } from '../../../../src/tensor/index.ts'
import { type CarryKind, type ScaleCarry, scaleCarry } from '../../../../src/tokenizers/image/scale-carry.ts'
import type { GridSize } from '../../../../src/tokenizers/image/value-grid.ts'
import { evaluate, normals, numbers, startOf, type Values } from './evaluate.ts'

const scales: readonly GridSize[] = [
  [1, 1],
  [3, 3],
  [5, 5],
  [7, 7],
]
const channels = 2
const latents = normals([1, channels, 7, 7], 1)

/** Kernels that pass their channel on unchanged. */
async function transparent(carry: ScaleCarry): Promise<Values> {
  const values = await startOf(carry)
  const { refine = [] } = carry as { refine?: readonly Conv2d[] }
  for (const { weight } of refine) {
    const identity = new Float64Array(channels * channels * 9)
    for (let c = 0; c < channels; c++) identity[(c * channels + c) * 9 + 4] = 1
    values.set(weight, numbers([channels, channels, 3, 3], identity))
  }
  return values
}

/** Totals after each part when every part says exactly what it is to say. */
function totals(carry: ScaleCarry, values: Values): Float64Array[] {
  return evaluate({ latents }, values, ({ latents: f }) => {
    const after: Tensor[] = []
    for (const k of scales.keys()) after.push(carry.join(after.at(-1), carry.target(f!, after.at(-1), k), k))
    return after
  })
}

const expectNear = (actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance = 1e-5) => {
  expect(actual.length).toBe(expected.length)
  for (let i = 0; i < expected.length; i++) expect(Math.abs(actual[i]! - expected[i]!)).toBeLessThan(tolerance)
}

/** |DFT|² of one 7 × 7 channel by its definition, at signed frequencies. */
function spectrum(grid: ArrayLike<number>): { frequency: number; energy: number }[] {
  return Array.from({ length: 49 }, (_, at) => {
    const [u, v] = [Math.floor(at / 7) - 3, (at % 7) - 3]
    let [real, imaginary] = [0, 0]
    for (let i = 0; i < 49; i++) {
      const angle = (-2 * Math.PI * (u * Math.floor(i / 7) + v * (i % 7))) / 7
      real += grid[i]! * Math.cos(angle)
      imaginary += grid[i]! * Math.sin(angle)
    }
    return { frequency: Math.max(Math.abs(u), Math.abs(v)), energy: real ** 2 + imaginary ** 2 }
  })
}

describe('scaleCarry', () => {
  test.each(['residual', 'band', 'latest'] as const)('%s: unquantised parts add up to the latents', async (kind) => {
    const carry = scaleCarry(kind, scales, channels)
    expectNear(totals(carry, await transparent(carry)).at(-1)!, latents.data)
  })

  test('band: after every part the total holds its frequencies whole, and no others', async () => {
    const carry = scaleCarry('band', scales, channels)
    const values = await transparent(carry)
    const after = totals(carry, values)
    const ideal = evaluate({ latents }, values, ({ latents: f }) => scales.map((_, k) => carry.ideal(f!, k)))
    for (const [k, total] of after.entries()) {
      expectNear(total, ideal[k]!)
      for (let c = 0; c < channels; c++) {
        const [whole, part] = [latents.data, total].map((data) => spectrum(data.slice(c * 49, (c + 1) * 49)))
        for (const [i, { frequency, energy }] of part!.entries())
          expect(Math.abs(energy - (frequency <= k ? whole![i]!.energy : 0))).toBeLessThan(1e-3)
        // Parseval.
        const sum = (of: readonly { energy: number }[]) => of.reduce((total, { energy }) => total + energy, 0)
        const squares = total.slice(c * 49, (c + 1) * 49).reduce((total, x) => total + x * x, 0)
        expect(Math.abs(sum(part!) / 49 - squares)).toBeLessThan(1e-4 * squares)
      }
    }
  })

  test('residual: parts are what is left, averaged; the total is the sum of their enlargements', async () => {
    const carry = scaleCarry('residual', scales, channels)
    const values = await startOf(carry)
    const grids = scales.map(([h, w], k) => normals([1, channels, h, w], 10 + k))
    const given = Object.fromEntries([['latents', latents] as const, ...grids.map((grid, k) => [`g${k}`, grid] as const)])
    const results = evaluate(given, values, (inputs) => {
      const first = carry.join(undefined, inputs.g0!, 0)
      const second = carry.join(first, inputs.g1!, 1)
      return [first, second, carry.target(inputs.latents!, second, 2), carry.next(second, 2)]
    })
    const { refine } = carry as unknown as { refine: readonly Conv2d[] }
    const smoothed = (grid: ArrayLike<number>, k: number, filter: number) => {
      const large = resized(grid, 'bicubic', scales[k]![0], 7)
      const kernel = values.get(refine[filter]!.weight)!.data
      return large.map((x, i) => 0.5 * x + 0.5 * convolved(large, kernel, i))
    }
    // Places 0, 1/3 and 2/3 of the way are nearest to the first, second and third of 1/12, 13/36, 23/36 and 11/12.
    const first = smoothed(grids[0]!.data, 0, 0)
    const second = smoothed(grids[1]!.data, 1, 1).map((x, i) => x + first[i]!)
    expectNear(results[0]!, first)
    expectNear(results[1]!, second)
    expectNear(
      results[2]!,
      resized(
        latents.data.map((x, i) => x - second[i]!),
        'area',
        7,
        5,
      ),
    )
    expectNear(results[3]!, resized(second, 'area', 7, 5))
  })

  test('latest: parts are averages, and the next one sees the last one enlarged', () => {
    const carry = scaleCarry('latest', scales, channels)
    const grid = normals([1, channels, 3, 3], 4)
    const [target, total, next] = evaluate({ latents, grid }, new Map(), ({ latents: f, grid: g }) => {
      const joined = carry.join(carry.target(f!, undefined, 0), g!, 1)
      return [carry.target(f!, joined, 1), joined, carry.next(joined, 2)]
    })
    expectNear(target!, resized(latents.data, 'area', 7, 3))
    expectNear(total!, grid.data)
    expectNear(next!, resized(grid.data, 'bicubic', 3, 5))
  })

  test('bands need odd sizes', () => {
    const even = [
      [1, 1],
      [4, 4],
    ] as const
    expect(() => scaleCarry('band', even, 1)).toThrow(OptionError)
    expect(() => scaleCarry('residual' satisfies CarryKind, even, 1)).not.toThrow()
  })
})

/** Channels of `from` × `from` → `to` × `to`. */
function resized(grid: ArrayLike<number>, kind: 'area' | 'bicubic', from: number, to: number): Float64Array {
  const { values } = resizeMatrix(kind, from, to)
  return Float64Array.from({ length: channels * to * to }, (_, at) => {
    const [c, y, x] = [Math.floor(at / (to * to)), Math.floor(at / to) % to, at % to]
    let sum = 0
    for (let j = 0; j < from; j++)
      for (let i = 0; i < from; i++) sum += values[y * from + j]! * values[x * from + i]! * grid[(c * from + j) * from + i]!
    return sum
  })
}

/** Element `at` of a 3 × 3 convolution of 7 × 7 channels, with zeros around them. */
function convolved(grid: Float64Array, kernel: ArrayLike<number>, at: number): number {
  const [output, y, x] = [Math.floor(at / 49), Math.floor(at / 7) % 7, at % 7]
  let sum = 0
  for (let c = 0; c < channels; c++)
    for (let tap = 0; tap < 9; tap++) {
      const [j, i] = [y + Math.floor(tap / 3) - 1, x + (tap % 3) - 1]
      if (j >= 0 && j < 7 && i >= 0 && i < 7) sum += kernel[(output * channels + c) * 9 + tap]! * grid[c * 49 + j * 7 + i]!
    }
  return sum
}
