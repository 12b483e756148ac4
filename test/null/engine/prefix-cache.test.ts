import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { PrefixCache } from '../../../src/engine/prefix-cache.ts'
import { SizedStepper } from './requests.ts'

class ForwardStepper extends SizedStepper {
  override readonly canRewind = false
}

/** A state costs 16 bytes a token. */
function cacheOf(stepper: SizedStepper, bytes = 10_000) {
  const cache = new PrefixCache(stepper, { bytes, bytesOf: (state) => stepper.bytesOf(state) })
  const put = async (tokens: readonly number[], salt = '') => {
    const state = await stepper.open()
    if (tokens.length > 0) await stepper.extend([{ state, tokens }], { keep: 'append', logits: 'none' })
    await cache.put(state, tokens, salt)
    return state
  }
  return { cache, put }
}

describe('a prefix cache', () => {
  it('hands over a state that is used whole, and forks one of which a part is used', async () => {
    const stepper = new SizedStepper()
    const { cache, put } = cacheOf(stepper)
    const kept = await put([1, 2, 3])
    const part = (await cache.take([1, 2, 5, 6], ''))!
    expect(part.reused).toBe(2)
    expect(part.state).not.toBe(kept)
    expect(part.state.tokens).toEqual([1, 2])
    expect(stepper.openStates).toBe(2)
    const whole = (await cache.take([1, 2, 3, 4], ''))!
    expect(whole).toEqual({ state: kept, reused: 3 })
    expect(cache.load()).toEqual({ states: 0, bytes: 0 })
    expect(await cache.take([1, 2, 3, 4], '')).toBe(undefined)
  })

  it('leaves the last token to be fed', async () => {
    const { cache, put } = cacheOf(new SizedStepper())
    await put([1, 2, 3])
    const { state, reused } = (await cache.take([1, 2, 3], ''))!
    expect([state.tokens, reused]).toEqual([[1, 2], 2])
    expect(await cache.take([1], '')).toBe(undefined)
  })

  it('keeps salts apart', async () => {
    const { cache, put } = cacheOf(new SizedStepper())
    await put([1, 2, 3], 'mine')
    expect(await cache.take([1, 2, 3, 4], '')).toBe(undefined)
    expect(await cache.take([1, 2, 3, 4], 'yours')).toBe(undefined)
    expect((await cache.take([1, 2, 3, 4], 'mine'))?.reused).toBe(3)
  })

  it('evicts the least recently used beyond its bytes', async () => {
    const stepper = new SizedStepper()
    const { cache, put } = cacheOf(stepper, 16 * 7)
    await put([1, 1, 1])
    await put([2, 2, 2])
    const used = (await cache.take([1, 1, 0], ''))!
    await stepper.close(used.state)
    await put([3, 3])
    expect(cache.load()).toEqual({ states: 2, bytes: 16 * 5 })
    expect(await cache.take([2, 2, 2, 2], '')).toBe(undefined)
    await put([4, 4, 4, 4, 4, 4, 4, 4])
    expect(cache.load()).toEqual({ states: 0, bytes: 0 })
    expect(stepper.openStates).toBe(0)
  })

  it('keeps one state of those that hold the same beginning, where it can be cut', async () => {
    const stepper = new SizedStepper()
    const { cache, put } = cacheOf(stepper)
    await put([1, 2])
    await put([1, 2, 3])
    await put([1])
    await put([1, 2, 3])
    await put([])
    expect(cache.load().states).toBe(1)
    expect(stepper.openStates).toBe(1)
    await put([1, 2, 3], 'mine')
    expect(cache.load().states).toBe(2)
    await cache.clear()
    expect(stepper.openStates).toBe(0)
    const forward = cacheOf(new ForwardStepper())
    await forward.put([1, 2])
    await forward.put([1, 2, 3])
    await forward.put([1, 2, 3])
    expect(forward.cache.load().states).toBe(2)
  })

  it('uses states whole, and keeps them, where they cannot be cut', async () => {
    const { cache, put } = cacheOf(new ForwardStepper())
    await put([1, 2, 3])
    await put([1, 2])
    expect((await cache.take([1, 2, 5], ''))?.reused).toBe(2)
    expect((await cache.take([1, 2, 3, 5], ''))?.reused).toBe(3)
    expect((await cache.take([1, 2, 3], ''))?.reused).toBe(2)
    expect(await cache.take([1, 5], '')).toBe(undefined)
    expect(cache.load().states).toBe(2)
  })

  it('closes the fork when it cannot be cut after all', async () => {
    const stepper = new SizedStepper()
    const { cache, put } = cacheOf(stepper)
    await put([1, 2, 3])
    stepper.rewind = () => Promise.reject(new Error('rewind'))
    await expect(cache.take([1, 2, 5], '')).rejects.toThrow('rewind')
    expect(stepper.openStates).toBe(1)
    expect(cache.load().states).toBe(1)
  })

  it('finds the longest beginning that any kept state has', async () => {
    const tokens = fc.array(fc.nat(1), { minLength: 1, maxLength: 8 })
    const entry = fc.tuple(tokens, fc.constantFrom('', 'a'))
    await fc.assert(
      fc.asyncProperty(
        fc.array(entry, { maxLength: 8 }),
        fc.array(entry, { maxLength: 8 }),
        fc.boolean(),
        async (puts, takes, cuts) => {
          const stepper = cuts ? new SizedStepper() : new ForwardStepper()
          const { cache, put } = cacheOf(stepper)
          for (const [each, salt] of puts) await put(each, salt)
          for (const [wanted, salt] of takes) {
            const lengths = puts
              .filter(([, other]) => other === salt)
              .map(([kept]) => {
                const differs = wanted.findIndex((token, i) => token !== kept[i])
                const common = Math.min(differs < 0 ? wanted.length : differs, wanted.length - 1)
                return cuts || common === kept.length ? common : 0
              })
            const taken = await cache.take(wanted, salt)
            expect(taken?.reused ?? 0).toBe(Math.max(0, ...lengths))
            if (taken === undefined) continue
            expect(taken.state.tokens).toEqual(wanted.slice(0, taken.reused))
            await cache.put(taken.state, taken.state.tokens, salt)
          }
          expect(stepper.openStates).toBe(cache.load().states)
        },
      ),
      { seed: 6, numRuns: 200 },
    )
  })
})
