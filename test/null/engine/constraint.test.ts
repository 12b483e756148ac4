import { describe, expect, it } from 'vitest'
import { DataError } from '../../../src/base/errors.ts'
import { generate } from '../../../src/decode/generate.ts'
import { openEngine } from '../../../src/engine/index.ts'
import { endless, loops, open, StubConstraint } from '../decode/stub-constraint.ts'
import { StubStepper } from '../decode/stub-stepper.ts'
import { collect, SizedStepper, turns } from './requests.ts'

const prompt = [1, 2, 3]
const automata = [loops, open, undefined]

describe('constraints in an engine', () => {
  it.each([1, 4])('give the tokens of `generate`, with %i rows', async (maxRows) => {
    const stepper = new SizedStepper()
    await using engine = openEngine(stepper, { maxRows, prefixCache: { bytes: 4000 } })
    const constraints = automata.map((automaton) => automaton && new StubConstraint(automaton))
    const requests = Array.from({ length: 24 }, (_, seed) => ({
      seed,
      maxTokens: 9,
      stopTokens: [7],
      constraint: constraints[seed % 3],
    }))
    const together = await Promise.all(requests.map((options) => collect(engine.generate(prompt, options))))
    for (const [i, options] of requests.entries()) {
      expect(together[i]).toEqual(await collect(generate(new StubStepper(), prompt, options)))
    }
    expect(constraints.map((constraint) => constraint?.openStates ?? 0)).toEqual([0, 0, 0])
    expect(engine.stats().finished).toMatchObject({ complete: expect.any(Number) })
    expect(engine.stats().finished.complete).toBeGreaterThan(0)
  })

  it('fail alone', async () => {
    const stepper = new StubStepper()
    await using engine = openEngine(stepper)
    const failing = [
      new StubConstraint(endless, { open: new DataError('open') }),
      new StubConstraint(endless, { allowed: [0, new DataError('first')] }),
      new StubConstraint(endless, { allowed: [2, new DataError('third')] }),
    ]
    const sound = new StubConstraint(loops)
    const one = (constraint: StubConstraint) => collect(engine.generate(prompt, { constraint, maxTokens: 6 }))
    const outcomes = await Promise.allSettled([...failing, sound].map(one))
    expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected', 'fulfilled'])
    expect([...failing, sound].map(({ openStates }) => openStates)).toEqual([0, 0, 0, 0])
    expect(engine.stats()).toMatchObject({ failed: 3, lost: 0 })
    expect([engine.check(), stepper.openStates]).toEqual([[], 0])
  })

  it('survive a step that fails and is tried again', async () => {
    const stepper = new StubStepper()
    const extend = stepper.extend.bind(stepper)
    stepper.extend = async (batch, options) => {
      if (batch.length > 1) throw new Error('too many')
      return extend(batch, options)
    }
    await using engine = openEngine(stepper)
    const constraint = new StubConstraint(loops)
    const options = (seed: number) => ({ constraint, seed, maxTokens: 8 })
    const together = await Promise.all([1, 2, 3].map((seed) => collect(engine.generate(prompt, options(seed)))))
    for (const seed of [1, 2, 3])
      expect(together[seed - 1]).toEqual(await collect(generate(new StubStepper(), prompt, options(seed))))
    expect(constraint.openStates).toBe(0)
  })

  it('that do not answer are left by an abort, and the others go on', async () => {
    const stepper = new StubStepper()
    await using engine = openEngine(stepper)
    let answer: () => void = () => undefined
    const silence = new Promise<void>((resolve) => {
      answer = resolve
    })
    let asked = 0
    const silent = new StubConstraint(endless, { gate: () => (asked++ < 3 ? Promise.resolve() : silence) })
    const controller = new AbortController()
    const stuck = collect(engine.generate(prompt, { constraint: silent, signal: controller.signal }))
    const other = collect(engine.generate(prompt, { maxTokens: 9 }))
    await turns(20)
    controller.abort(new Error('enough'))
    await expect(stuck).rejects.toThrow('enough')
    expect((await other).length).toBe(9)
    answer()
    await turns(3)
    expect([silent.openStates, stepper.openStates]).toEqual([0, 0])
  })

  it('are closed when their requests are left, while reading, resting, parked and at disposal', async () => {
    const stepper = new StubStepper(8, 64)
    const engine = openEngine(stepper, { maxRows: 1, maxUnread: 2 })
    const constraint = new StubConstraint(endless)
    const request = () => engine.generate(prompt, { constraint, maxTokens: 40 })
    const [left, parked, last] = [request(), request(), request()]
    await left.next()
    await turns(10)
    await parked.next()
    await turns(10)
    expect(engine.stats().parked).toBe(1)
    await left.return()
    expect(constraint.openStates).toBe(1)
    await last.next()
    await turns(10)
    expect(constraint.openStates).toBe(2)
    // Joins again where it was.
    const again: number[] = []
    for (let i = 0; i < 6; i++) again.push((await parked.next()).value!.token)
    await engine[Symbol.asyncDispose]()
    expect([constraint.opened, constraint.openStates, stepper.openStates, engine.check()]).toEqual([3, 0, 0, []])
    const alone = await collect(generate(new StubStepper(8, 64), prompt, { constraint, maxTokens: 7 }))
    expect(again).toEqual(alone.slice(1).map(({ token }) => token))
  })
})
