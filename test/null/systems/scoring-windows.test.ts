import fc from 'fast-check'
import { expect, it } from 'vitest'
import { overlappingWindows } from '../../../src/systems/text-score.ts'

it('every token but the first is scored once, in windows that fit, with half a context before it', () => {
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 500 }), fc.integer({ min: 1, max: 64 }), (length, context) => {
      let next = 1
      for (const { start, first, end } of overlappingWindows(length, context)) {
        expect(first).toBe(next)
        expect(end).toBeGreaterThan(first)
        expect(start).toBeGreaterThanOrEqual(0)
        // The last token is not fed.
        expect(end - 1 - start).toBeLessThanOrEqual(context)
        expect(first - start).toBeGreaterThanOrEqual(Math.min(first, Math.ceil(context / 2)))
        next = end
      }
      expect(next).toBe(length)
    }),
  )
})
