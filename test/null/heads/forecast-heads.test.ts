import { describe, expect, it } from 'vitest'
import { DataError, OptionError } from '../../../src/base/errors.ts'
import {
  type ForecastHead,
  gaussianHead,
  negativeBinomialHead,
  pointHead,
  quantileHead,
  studentHead,
} from '../../../src/heads/index.ts'
import { input, interpret } from '../../../src/tensor/index.ts'
import { expectNear, noise } from '../tensor/finite-differences.ts'

/** Loss of one distribution's parameters against each of some values. */
function losses(head: ForecastHead, parameters: readonly number[], targets: readonly number[]): number[] {
  const loss = head.loss(input('parameters', 'float32', [1, head.outputs]), input('target', 'float32', [1]))
  return targets.map((target) => {
    const leaves = {
      inputs: {
        parameters: { shape: [1, head.outputs], data: Float64Array.from(parameters) },
        target: { shape: [1], data: Float64Array.of(target) },
      },
    }
    return interpret([loss], leaves)[0]!.data[0]!
  })
}

/** Parameters `[row][output]` that a head makes of what a network says. */
function parametersOf(head: ForecastHead, said: readonly (readonly number[])[], level = 0, deviation = 1): Float64Array[] {
  const shape = [said.length, head.outputs]
  const [mean, spread] = [input('mean', 'float32', [said.length, 1]), input('deviation', 'float32', [said.length, 1])]
  const filled = (value: number) => ({ shape: [said.length, 1], data: new Float64Array(said.length).fill(value) })
  const leaves = {
    inputs: { said: { shape, data: Float64Array.from(said.flat()) }, mean: filled(level), deviation: filled(deviation) },
  }
  const [all] = interpret([head.parameters(input('said', 'float32', shape), mean, spread)], leaves)
  return said.map((_, row) => Float64Array.from(all!.data.subarray(row * head.outputs, (row + 1) * head.outputs)))
}

const targets = [-3, -0.4, 0, 0.3, 2, 8]

describe('points', () => {
  it.each([
    ['squared', (error: number) => error ** 2],
    ['absolute', Math.abs],
    ['huber', (error: number) => (Math.abs(error) <= 1 ? error ** 2 / 2 : Math.abs(error) - 0.5)],
  ] as const)('%s', (loss, formula) => {
    const head = pointHead(loss)
    expectNear(
      losses(head, [0.7], targets),
      targets.map((value) => formula(0.7 - value)),
      loss,
      1e-12,
    )
    expect([head.probabilistic, head.mean(Float64Array.of(3))]).toEqual([false, 3])
    expect(() => head.quantile(Float64Array.of(3), 0.5)).toThrow(OptionError)
  })
})

describe('gaussian', () => {
  const head = gaussianHead()

  it('has the loss of the density, which sums to 1', () => {
    const [mean, deviation] = [0.7, 1.3]
    const density = (x: number) => Math.exp(-((x - mean) ** 2) / (2 * deviation ** 2)) / (deviation * Math.sqrt(2 * Math.PI))
    expectNear(
      losses(head, [mean, deviation], targets),
      targets.map((x) => -Math.log(density(x))),
      'loss',
      1e-10,
    )
    const points = Array.from({ length: 401 }, (_, i) => -10 + i / 20)
    expect(losses(head, [mean, deviation], points).reduce((sum, each) => sum + Math.exp(-each) / 20, 0)).toBeCloseTo(1, 6)
  })

  it('has the quantiles of tables', () => {
    // Abramowitz & Stegun, table 26.5.
    const table = [
      [0.5, 0],
      [0.8, 0.84162],
      [0.9, 1.28155],
      [0.95, 1.64485],
      [0.975, 1.95996],
      [0.995, 2.57583],
      [0.9995, 3.29053],
    ] as const
    for (const [share, value] of table) {
      expect(head.quantile(Float64Array.of(2, 3), share)).toBeCloseTo(2 + 3 * value, 3)
      expect(head.quantile(Float64Array.of(2, 3), 1 - share)).toBeCloseTo(2 - 3 * value, 3)
    }
  })

  it('begins with the window’s deviation, and never has none', () => {
    const [first, least] = parametersOf(
      head,
      [
        [0, 0],
        [0.5, -200],
      ],
      10,
      4,
    )
    expect([...first!]).toEqual([10, expect.closeTo(4, 1)])
    expect(least![0]).toBeCloseTo(12, 9)
    expect(least![1]).toBeGreaterThan(1e-3)
  })
})

/** Tables of Student's t: share, degrees of freedom, quantile (Abramowitz & Stegun, table 26.10). */
const studentTable = [
  [0.9, 3, 1.6377],
  [0.95, 4, 2.1318],
  [0.975, 5, 2.5706],
  [0.99, 10, 2.7638],
  [0.995, 30, 2.75],
  [0.975, 120, 1.9799],
  [0.75, 3, 0.7649],
] as const

describe("Student's t", () => {
  const head = studentHead()

  it('has the loss of the density in closed form', () => {
    // With 3 and 5 degrees: 6√3/(π(3 + t²)²) and 8/(3π√5·(1 + t²/5)³).
    const of3 = (t: number) => (6 * Math.sqrt(3)) / (Math.PI * (3 + t * t) ** 2)
    const of5 = (t: number) => 8 / (3 * Math.PI * Math.sqrt(5) * (1 + t ** 2 / 5) ** 3)
    for (const [freedom, density] of [
      [3, of3],
      [5, of5],
    ] as const) {
      const [location, scale] = [0.7, 1.3]
      const expected = targets.map((x) => -Math.log(density((x - location) / scale) / scale))
      expectNear(losses(head, [location, scale, freedom], targets), expected, `${freedom} degrees`, 1e-7)
    }
  })

  it('is normal with a million degrees', () => {
    expectNear(losses(head, [0.7, 1.3, 1e6], targets), losses(gaussianHead(), [0.7, 1.3], targets), 'loss', 1e-3)
    expect(head.quantile(Float64Array.of(0, 1, 1e6), 0.975)).toBeCloseTo(1.96, 3)
  })

  it('has the quantiles of tables', () => {
    for (const [share, freedom, value] of studentTable) {
      expect(head.quantile(Float64Array.of(2, 3, freedom), share)).toBeCloseTo(2 + 3 * value, 3)
      expect(head.quantile(Float64Array.of(2, 3, freedom), 1 - share)).toBeCloseTo(2 - 3 * value, 3)
    }
    expect(head.quantile(Float64Array.of(2, 3, 5), 0.5)).toBeCloseTo(2, 9)
  })

  it('has more than two degrees, whatever a network says', () => {
    for (const parameters of parametersOf(head, [
      [0, 0, -50],
      [0, 0, 0],
      [0, 0, 50],
    ]))
      expect(parameters[2]).toBeGreaterThanOrEqual(2)
  })
})

/** Probabilities of the counts from 0 on, by the recurrence p(k + 1) = p(k)·(k + r)/(k + 1)·q, in logarithms. */
function countProbabilities(rate: number, dispersion: number, count: number): number[] {
  const size = 1 / dispersion
  const failure = Math.log(rate / (size + rate))
  const logs = [size * Math.log(size / (size + rate))]
  while (logs.length < count) {
    const k = logs.length - 1
    logs.push(logs[k]! + Math.log((k + size) / (k + 1)) + failure)
  }
  return logs.map(Math.exp)
}

const countCases = [
  [3, 0.5],
  [0.05, 2],
  [40, 0.001],
  [200, 1],
  [10_000, 0.001],
  [50_000, 0.01],
] as const

describe('negative binomial', () => {
  const head = negativeBinomialHead()

  it.each(countCases.slice(0, 4))(
    'has the loss of its probabilities, which sum to 1: mean %d, dispersion %d',
    (rate, dispersion) => {
      const probabilities = countProbabilities(rate, dispersion, 4000)
      expect(probabilities.reduce((sum, each) => sum + each, 0)).toBeCloseTo(1, 6)
      expect(probabilities.reduce((sum, each, k) => sum + each * k, 0)).toBeCloseTo(rate, 3)
      const counts = [0, 1, 2, 3, 10, 35, 60]
      const got = losses(head, [rate, dispersion], counts)
      expectNear(
        got,
        counts.map((k) => -Math.log(probabilities[k]!)),
        'loss',
        1e-5,
      )
    },
  )

  it.each(countCases)('has the quantiles of summed probabilities: mean %d, dispersion %d', (rate, dispersion) => {
    const probabilities = countProbabilities(rate, dispersion, Math.ceil(rate * (1 + 40 * Math.sqrt(dispersion)) + 100))
    for (const share of [0.025, 0.1, 0.5, 0.9, 0.975]) {
      let [total, expected] = [probabilities[0]!, 0]
      while (total < share) total += probabilities[++expected]!
      expect(head.quantile(Float64Array.of(rate, dispersion), share)).toBe(expected)
    }
  })

  it('ends with rates beyond 32 bits, and at the very ends', () => {
    const far = head.quantile(Float64Array.of(1e11, 0.01), 0.5)
    expect(far / 1e11).toBeCloseTo(1, 1)
    expect(head.quantile(Float64Array.of(5, 0.1), 1)).toBeGreaterThan(20)
    expect(head.quantile(Float64Array.of(5, 0.1), 1e-12)).toBe(0)
    expect(head.quantile(Float64Array.of(Number.NaN, 0.1), 0.5)).toBeNaN()
    expect(head.quantile(Float64Array.of(Number.POSITIVE_INFINITY, 0.1), 0.5)).toBeNaN()
  })

  it('refuses what is no count, and scales', () => {
    for (const bad of [-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY])
      expect(() => head.checkValues!(Float64Array.of(3, bad))).toThrow(DataError)
    expect(() => head.checkValues!(Float64Array.of(0, 7))).not.toThrow()
    expect(() => head.unscaled(Float64Array.of(3, 1), 0, 2)).toThrow(OptionError)
  })

  it('says positive means and dispersions, whatever a network says', () => {
    for (const [rate, dispersion] of parametersOf(head, [
      [-80, -80],
      [0, 0],
      [80, 80],
    ])) {
      expect(rate).toBeGreaterThan(0)
      expect(dispersion).toBeGreaterThan(0)
    }
  })
})

describe('quantiles', () => {
  const shares = [0.1, 0.5, 0.9]
  const head = quantileHead(shares)

  it('are judged by the pinball loss, the median first', () => {
    const said = [0.3, -1, 2.5]
    const pinball = (share: number, guess: number, value: number) => (value - guess) * (share - Number(value < guess))
    const expected = targets.map((value) => [0.5, 0.1, 0.9].reduce((sum, share, i) => sum + pinball(share, said[i]!, value), 0) / 3)
    expectNear(losses(head, said, targets), expected, 'loss', 1e-12)
  })

  it('never cross, whatever a network says', () => {
    for (let row = 0; row < 20; row++) {
      const said = Float64Array.from(noise(`said ${row}`, [3]).data)
      const values = [0.1, 0.2, 0.37, 0.5, 0.8, 0.9].map((share) => head.quantile(said, share))
      expect(values).toEqual([...values].sort((a, b) => a - b))
      expect(head.quantile(said, 0.5)).toBe(head.mean(said))
    }
  })

  it('lie on the line between neighbours, and are refused beyond', () => {
    const said = Float64Array.of(10, 2, 14)
    expect(head.quantile(said, 0.1)).toBe(2)
    expect(head.quantile(said, 0.3)).toBeCloseTo(6, 12)
    expect(head.quantile(said, 0.6)).toBeCloseTo(11, 12)
    expect(head.quantile(said, 0.9)).toBe(14)
    expect(() => head.quantile(said, 0.95)).toThrow(/levels up to 80/)
    expect(() => quantileHead([0.1, 0.9])).toThrow(OptionError)
    expect(() => quantileHead([0, 0.5])).toThrow(OptionError)
  })
})

it.each([
  ['point', pointHead(), [1.5]],
  ['quantile', quantileHead([0.1, 0.5, 0.9]), [1.5, 0.2, 3]],
  ['gaussian', gaussianHead(), [1.5, 0.4]],
  ['student-t', studentHead(), [1.5, 0.4, 4]],
] as const)('%s: what is scaled back is distributed as the value scaled back', (_, head, said) => {
  const parameters = Float64Array.from(said)
  const back = head.unscaled(parameters, -7, 250)
  expect(head.mean(back)).toBeCloseTo(250 * head.mean(parameters) - 7, 9)
  if (!head.probabilistic) return
  for (const share of [0.1, 0.5, 0.77, 0.9])
    expect(head.quantile(back, share)).toBeCloseTo(250 * head.quantile(parameters, share) - 7, 6)
})
