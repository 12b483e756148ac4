import { expect, it } from 'vitest'
import { logGamma } from '../../../src/heads/smooth.ts'
import { input, interpret, pullback } from '../../../src/tensor/index.ts'
import { expectNear } from '../tensor/finite-differences.ts'

function evaluated(points: readonly number[]): { values: Float64Array; slopes: Float64Array } {
  const shape = [points.length]
  const x = input('x', 'float32', shape)
  const y = logGamma(x)
  const leaves = {
    inputs: { x: { shape, data: Float64Array.from(points) }, one: { shape, data: new Float64Array(points.length).fill(1) } },
  }
  const [values, slopes] = interpret([y, ...pullback(y, input('one', 'float32', shape), [x])], leaves)
  return { values: values!.data, slopes: slopes!.data }
}

/** Γ(start + n) = Γ(start)·start·(start + 1)·…, from the known Γ(1) = 1, Γ(½) = √π, Γ(¼) and Γ(⅓) (DLMF 5.4; Abramowitz & Stegun, table 6.1). */
const known: readonly (readonly [number, number])[] = [
  [1, 1],
  [1 / 2, Math.sqrt(Math.PI)],
  [1 / 4, 3.625609908221908],
  [1 / 3, 2.678938534707748],
]

it('is the logarithm of products from known values up to 10⁴', () => {
  for (const [start, gamma] of known) {
    let [total, at] = [Math.log(gamma), start]
    const [points, expected]: [number[], number[]] = [[], []]
    while (at < 1e4) {
      if (at < 30 || Math.floor(at) % 500 === 0) {
        points.push(at)
        expected.push(total)
      }
      total += Math.log(at)
      at++
    }
    expectNear(evaluated(points).values, expected, `log Γ(${start} + n)`, 1e-8)
  }
})

it('is −log x − γx near 0', () => {
  const points = [1e-6, 1e-4, 1e-3]
  const euler = 0.5772156649015329
  expectNear(
    evaluated(points).values,
    // The next term is π²x²/12.
    points.map((x) => -Math.log(x) - euler * x + (Math.PI ** 2 / 12) * x ** 2),
    'log Γ',
    1e-8,
  )
})

it('has the digamma function as its slope', () => {
  // ψ(1) = −γ, ψ(½) = −γ − 2 log 2, ψ(n + 1) = ψ(n) + 1/n.
  const euler = 0.5772156649015329
  let harmonic = 0
  for (let n = 1; n < 40; n++) harmonic += 1 / n
  expectNear(evaluated([1, 0.5, 40]).slopes, [-euler, -euler - 2 * Math.log(2), harmonic - euler], 'ψ', 1e-7)
  expect(evaluated([0.01]).slopes[0]).toBeCloseTo(-100.5609, 3)
})
