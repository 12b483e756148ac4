import { expect, it } from 'vitest'
import { likelihoodMetrics } from '../../../src/metrics/index.ts'

it('a uniform choice among 256 bytes costs 8 bits a byte, and has perplexity 256', () => {
  const metrics = likelihoodMetrics({ logProb: -10 * Math.log(256), tokens: 10, bytes: 10 })
  expect(metrics.bitsPerByte).toBeCloseTo(8, 12)
  expect(metrics.bitsPerToken).toBeCloseTo(8, 12)
  expect(metrics.perplexity).toBeCloseTo(256, 8)
})

it('longer tokens cost more per token and the same per byte', () => {
  const metrics = likelihoodMetrics({ logProb: -12, tokens: 4, bytes: 24 })
  expect(metrics.natsPerToken).toBe(3)
  expect(metrics.natsPerByte).toBe(0.5)
})

it('nothing has no score', () => {
  expect(() => likelihoodMetrics({ logProb: 0, tokens: 0, bytes: 1 })).toThrow(/at least one/)
})
