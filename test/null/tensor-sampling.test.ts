import { expect, it } from 'vitest'
import { createRng } from '../../src/base/rng.ts'
import { constant, input, interpret, maskOutsideNucleus, sampleCategorical } from '../../src/tensor/index.ts'

const probabilities = [0.5, 0.3, 0.15, 0.05]
const logits = constant(probabilities.map(Math.log), [1, 4])

it('Gumbel-max samples follow the distribution (chi-square, 3 degrees of freedom, p > 0.001)', () => {
  const draws = 4000
  const noise = Float64Array.from(createRng(1).fillUniform(new Float32Array(draws * 4)))
  const uniform = input('uniform', 'float32', [draws, 4])
  const rows = constant(
    Array.from({ length: draws * 4 }, (_, i) => Math.log(probabilities[i % 4]!)),
    [draws, 4],
  )
  const [samples] = interpret([sampleCategorical(rows, uniform)], { inputs: { uniform: { shape: [draws, 4], data: noise } } })
  const counts = probabilities.map((_, id) => samples!.data.filter((sample) => sample === id).length)
  const statistic = counts.reduce(
    (sum, count, id) => sum + (count - draws * probabilities[id]!) ** 2 / (draws * probabilities[id]!),
    0,
  )
  expect(statistic).toBeLessThan(16.27)
})

it('noise of exactly 0 gives no NaN', () => {
  const [sample] = interpret([sampleCategorical(logits, constant([0, 0, 0, 0], [1, 4]))], { inputs: {} })
  expect(sample!.data[0]).toBe(0)
})

it.each([
  [0.4, [true, false, false, false]],
  [0.7, [true, true, false, false]],
  [0.9, [true, true, true, false]],
  [1, [true, true, true, true]],
])('the nucleus of %d keeps the smallest set of that mass', (topP, kept) => {
  const [masked] = interpret([maskOutsideNucleus(logits, topP - 1e-6)], { inputs: {} })
  expect(Array.from(masked!.data, (value) => value > -1e8)).toEqual(kept)
})
