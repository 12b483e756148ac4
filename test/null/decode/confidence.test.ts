import { describe, expect, it } from 'vitest'
import { OptionError } from '../../../src/base/errors.ts'
import { createRng } from '../../../src/base/rng.ts'
import { choiceTemperatureAt, leastConfident } from '../../../src/decode/index.ts'

const rng = createRng(5)
const candidates = [3, 4, 7, 10, 11, 19]
const logProbs = candidates.map((_, i) => Math.log(rng.fold('p').uniformAt(i)))

/** Takes the candidate of the lowest score out of the rest, as often as is asked. */
function oracle(masked: number, temperature: number): number[] {
  const rest = candidates.map((value, i) => ({
    value,
    score: logProbs[i]! + (temperature === 0 ? 0 : temperature * -Math.log(-Math.log(rng.uniformAt(value)))),
  }))
  return Array.from({ length: masked }, () => {
    const least = rest.reduce((a, b) => (b.score < a.score ? b : a))
    rest.splice(rest.indexOf(least), 1)
    return least.value
  })
}

describe('leastConfident', () => {
  it.each([0, 0.5, 2, 100])('masks what scores lowest, with noise of scale %d', (temperature) => {
    for (let masked = 0; masked <= candidates.length; masked++) {
      const chosen = leastConfident({ logProbs, candidates, masked, temperature, rng })
      expect([...chosen]).toEqual(oracle(masked, temperature))
    }
  })

  it('takes the first of equals, and log p of −∞ first of all', () => {
    const equal = { candidates, logProbs: candidates.map(() => -1), temperature: 0, rng }
    expect([...leastConfident({ ...equal, masked: 2 })]).toEqual([3, 4])
    expect([...leastConfident({ ...equal, logProbs: [-1, -1, -1, -1, Number.NEGATIVE_INFINITY, -1], masked: 1 })]).toEqual([11])
  })

  it('chooses like a softmax when one is to stay: the Gumbel-max trick', () => {
    const [draws, temperature] = [20_000, 1]
    const weights = [0.1, 0.2, 0.3, 0.4]
    const counts = [0, 0, 0, 0]
    const values = [0, 1, 2, 3]
    for (let draw = 0; draw < draws; draw++) {
      const own = { logProbs: weights.map(Math.log), candidates: values, masked: 3, temperature, rng: rng.fold(draw) }
      const masked = leastConfident(own)
      const kept = values.find((value) => !masked.includes(value))!
      counts[kept] = counts[kept]! + 1
    }
    for (const [value, weight] of weights.entries()) expect(Math.abs(counts[value]! / draws - weight)).toBeLessThan(0.015)
  })

  it('refuses to mask more than there are', () => {
    expect(() => leastConfident({ logProbs, candidates, masked: 7, temperature: 0, rng })).toThrow(OptionError)
  })
})

describe('choiceTemperatureAt', () => {
  it('falls evenly to 0, or as a schedule says', () => {
    expect([0, 1, 2, 3, 4].map((step) => choiceTemperatureAt(2, step, 5))).toEqual([2, 1.5, 1, 0.5, 0])
    expect(choiceTemperatureAt(2, 0, 1)).toBe(0)
    expect(choiceTemperatureAt((step, steps) => 10 * step + steps, 2, 4)).toBe(24)
  })

  it.each([-1, Number.NaN, Number.POSITIVE_INFINITY])('refuses %d', (bad) => {
    expect(() => choiceTemperatureAt(bad, 0, 4)).toThrow(OptionError)
    expect(() => choiceTemperatureAt(() => bad, 0, 4)).toThrow(/choiceTemperature/)
  })
})
