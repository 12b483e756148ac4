import fc from 'fast-check'
import { expect, it } from 'vitest'
import type { GeneratedToken } from '../../../src/decode/continuation.ts'
import { generate } from '../../../src/decode/generate.ts'
import { type Engine, openEngine } from '../../../src/engine/index.ts'
import { anyOptions, anyPrompt, collect, SizedStepper, turn, turns } from './requests.ts'

const context = 40

const arrival = fc.record({
  prompt: anyPrompt,
  options: anyOptions,
  priority: fc.integer({ min: -3, max: 3 }),
  salt: fc.constantFrom('', 'mine'),
  /** Turns of the event loop before it comes. */
  after: fc.nat(4),
  /** Tokens after which its reader leaves; turns after which its signal aborts; turns that its reader waits between tokens. */
  behaviour: fc.oneof(
    { weight: 3, arbitrary: fc.constant({ kind: 'reads' as const, count: 0 }) },
    fc.record({
      kind: fc.constantFrom('leaves' as const, 'aborts' as const, 'dawdles' as const),
      count: fc.integer({ min: 1, max: 8 }),
    }),
  ),
})
type Arrival = typeof arrival extends fc.Arbitrary<infer T> ? T : never

const engineOptions = fc.record({
  maxRows: fc.integer({ min: 1, max: 4 }),
  maxSlots: fc.integer({ min: context, max: 3 * context }),
  chunk: fc.integer({ min: 1, max: 20 }),
  overtake: fc.nat(4),
  maxUnread: fc.integer({ min: 1, max: 6 }),
  prefixCache: fc.option(fc.record({ bytes: fc.constantFrom(200, 2000, 100_000) }), { nil: undefined }),
})

/** Reads a request as its behaviour says; what it saw, and whether that is all. */
async function read(engine: Engine, { prompt, options, priority, salt, after, behaviour: { kind, count } }: Arrival) {
  await turns(after)
  const controller = new AbortController()
  const seen: GeneratedToken[] = []
  if (kind === 'aborts') void turns(count).then(() => controller.abort(new Error('aborted')))
  try {
    for await (const token of engine.generate(prompt, { ...options, priority, salt, signal: controller.signal })) {
      seen.push(token)
      if (kind === 'leaves' && seen.length === count) break
      if (kind === 'dawdles') await turns(count)
    }
  } catch (error) {
    expect(error).toHaveProperty('message', 'aborted')
  }
  return { seen, whole: kind === 'reads' || kind === 'dawdles' }
}

it('gives every request the tokens that it gets alone, whatever the company, the budgets and the cache', async () => {
  let reused = 0
  let parked = 0
  await fc.assert(
    fc.asyncProperty(engineOptions, fc.array(arrival, { minLength: 1, maxLength: 10 }), async (options, arrivals) => {
      const stepper = new SizedStepper(8, context)
      const engine = openEngine(stepper, options)
      const results = await Promise.all(arrivals.map((each) => read(engine, each)))
      for (const [i, { seen, whole }] of results.entries()) {
        const { prompt, options } = arrivals[i]!
        const alone = await collect(generate(new SizedStepper(8, context), prompt, options))
        expect(seen).toEqual(whole ? alone : alone.slice(0, seen.length))
      }
      await engine.drain()
      expect(engine.check()).toEqual([])
      const { now, prefixCache, tokens, lost, failed, parked: gaveWay } = engine.stats()
      expect(now).toMatchObject({ waiting: 0, running: 0, parked: 0, slotsUsed: 0, slotsReserved: 0, waitingTokens: 0 })
      expect({ lost, failed }).toEqual({ lost: 0, failed: 0 })
      expect(stepper.openStates).toBe(prefixCache?.states ?? 0)
      expect(prefixCache?.bytes ?? 0).toBeLessThanOrEqual(options.prefixCache?.bytes ?? 0)
      reused += tokens.reused
      parked += gaveWay
      await engine[Symbol.asyncDispose]()
      expect(stepper.openStates).toBe(0)
    }),
    { seed: 7, numRuns: 200 },
  )
  // The schedules did meet what they are to meet.
  expect(reused).toBeGreaterThan(100)
  expect(parked).toBeGreaterThan(20)
})

it('steppers that cannot rewind are served alike', async () => {
  class ForwardStepper extends SizedStepper {
    override readonly canRewind = false

    override rewind(): Promise<void> {
      return Promise.reject(new Error('rewound'))
    }
  }
  const stepper = new ForwardStepper(8, context)
  await using engine = openEngine(stepper, { prefixCache: { bytes: 100_000 } })
  const turnOf = async (prompt: readonly number[]) => {
    const stream = engine.generate(prompt, { maxTokens: 5 })
    const tokens = (await collect(stream)).map(({ token }) => token)
    expect(tokens).toEqual(
      (await collect(generate(new SizedStepper(8, context), prompt, { maxTokens: 5 }))).map((each) => each.token),
    )
    return { tokens, reused: stream.usage.reusedTokens }
  }
  const first = await turnOf([1, 2, 3])
  const second = await turnOf([1, 2, 3, ...first.tokens, 4])
  // The last token of an answer was never fed.
  expect(second.reused).toBe(3 + 4)
  expect((await turnOf([1, 2, 3, 0])).reused).toBe(0)
  expect((await turnOf([1, 2, 3, ...first.tokens, 5])).reused).toBe(3 + 4)
  expect(engine.stats()).toMatchObject({ failed: 0, lost: 0 })
})

it('a thousand aborts at any moment leave nothing behind', async () => {
  const stepper = new SizedStepper(8, context)
  const engine = openEngine(stepper, { maxRows: 4, maxWaiting: 2000, chunk: 3, prefixCache: { bytes: 3000 } })
  const outcomes = await Promise.all(
    Array.from({ length: 1000 }, async (_, i) => {
      await turns((i * 7) % 300)
      const controller = new AbortController()
      const tokens = collect(
        engine.generate([i % 8, (i >> 3) % 8, 1, 2, 3], { signal: controller.signal, seed: i, priority: (i % 5) - 2 }),
      )
      const outcome = tokens.then(
        () => 'finished',
        (error: Error) => error.message,
      )
      await turns((i * 13) % 41)
      controller.abort(new Error('aborted'))
      return outcome
    }),
  )
  await turn()
  await engine.drain()
  const aborted = outcomes.filter((outcome) => outcome === 'aborted').length
  const finished = outcomes.filter((outcome) => outcome === 'finished').length
  expect(aborted + finished).toBe(1000)
  expect(aborted).toBeGreaterThan(500)
  expect(engine.stats()).toMatchObject({ lost: 0, failed: 0, now: { running: 0, waiting: 0, slotsReserved: 0, slotsUsed: 0 } })
  expect(engine.check()).toEqual([])
  expect(stepper.openStates).toBe(engine.stats().prefixCache!.states)
  await engine[Symbol.asyncDispose]()
  expect(stepper.openStates).toBe(0)
})
