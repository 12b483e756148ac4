import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { OptionError } from '../../../src/base/errors.ts'
import { Scheduler, type SchedulerLimits } from '../../../src/engine/scheduler.ts'

const roomy: SchedulerLimits = { maxRows: 4, maxSlots: 1000, queue: { requests: 100, tokens: 10_000 }, chunk: 16, overtake: 8 }
const schedulerOf = (limits: Partial<SchedulerLimits> = {}) => new Scheduler({ ...roomy, ...limits })
const request = (id: number, promptLength = 5, maxTokens = 3, priority = 0) => ({ id, promptLength, maxTokens, priority })

/** One step as an engine takes it; every row whose tokens are all fed gets another, until it has all of its own. */
function step(scheduler: Scheduler, left: Map<number, number>) {
  const { admitted, parked } = scheduler.admit()
  const plan = scheduler.plan()
  const finished: number[] = []
  const sample = (id: number) => {
    left.set(id, left.get(id)! - 1)
    if (left.get(id)! > 0) scheduler.sampled(id)
    else finished.push(id)
  }
  for (const id of plan.decode) {
    scheduler.fed(id, 1)
    sample(id)
  }
  for (const { id, count, last } of plan.prefill) {
    scheduler.fed(id, count)
    if (last) sample(id)
  }
  for (const id of finished) scheduler.remove(id)
  return { ...plan, admitted, parked, finished }
}

describe('a step', () => {
  it('feeds long prompts in chunks, in the order of the rows, beside one token of every other row', () => {
    const scheduler = schedulerOf()
    const left = new Map([1, 2, 3].map((id) => [id, 3]))
    scheduler.submit(request(1, 1))
    scheduler.submit(request(2, 20))
    scheduler.submit(request(3, 10))
    const steps = Array.from({ length: 4 }, () => step(scheduler, left))
    expect(steps.map(({ decode }) => decode)).toEqual([[1], [1], [1, 2, 3], [2, 3]])
    expect(steps.map(({ prefill }) => prefill)).toEqual([
      [{ id: 2, from: 0, count: 16, last: false }],
      [
        { id: 2, from: 16, count: 4, last: true },
        { id: 3, from: 0, count: 10, last: true },
      ],
      [],
      [],
    ])
    expect(steps.map(({ finished }) => finished)).toEqual([[], [], [1], [2, 3]])
    expect(scheduler.load()).toMatchObject({ running: 0, waiting: 0, slotsReserved: 0, slotsUsed: 0 })
  })

  it('admits a newcomer in the step after a row was left', () => {
    const scheduler = schedulerOf({ maxRows: 1 })
    for (const id of [1, 2]) scheduler.submit(request(id, 4, 1))
    const left = new Map([1, 2].map((id) => [id, 1]))
    expect(step(scheduler, left)).toMatchObject({ admitted: [1], finished: [1] })
    expect(step(scheduler, left)).toMatchObject({ admitted: [2], finished: [2] })
  })

  it('does not feed again what a cache held', () => {
    const scheduler = schedulerOf()
    scheduler.submit(request(1, 10))
    scheduler.submit(request(2, 10))
    scheduler.admit()
    scheduler.fed(1, 7)
    scheduler.fed(2, 9)
    expect(scheduler.plan()).toEqual({ prefill: [{ id: 1, from: 7, count: 3, last: true }], decode: [2] })
  })

  it('reserves what a request may grow to: its last token is never fed', () => {
    const scheduler = schedulerOf({ maxSlots: 14 })
    for (const id of [1, 2, 3]) scheduler.submit(request(id, 5, 3))
    expect(scheduler.admit().admitted).toEqual([1, 2])
    expect(scheduler.load()).toMatchObject({ slotsReserved: 14, waiting: 1 })
  })
})

describe('refusals', () => {
  it('say what is full, and count free rows as room', () => {
    const scheduler = schedulerOf({ maxRows: 1, queue: { requests: 2, tokens: 20 } })
    expect(scheduler.submit(request(1, 50))).toBe(undefined)
    scheduler.admit()
    expect(scheduler.submit(request(2, 50))).toBe(undefined)
    expect(scheduler.submit(request(3, 1))).toBe('queue-tokens')
    scheduler.remove(2)
    expect(scheduler.submit(request(4, 10))).toBe(undefined)
    expect(scheduler.submit(request(5, 10))).toBe(undefined)
    expect(scheduler.submit(request(6, 0))).toBe('queue-full')
    expect(scheduler.submit(request(7, 998, 4))).toBe('too-long')
    scheduler.remove(1)
    expect(scheduler.submit(request(8, 0))).toBe(undefined)
    expect(scheduler.submit(request(9, 0))).toBe('queue-full')
    expect(scheduler.check()).toEqual([])
  })

  it('events that cannot be are errors and change nothing', () => {
    const scheduler = schedulerOf()
    scheduler.submit(request(1))
    expect(() => scheduler.submit(request(1))).toThrow(OptionError)
    for (const event of [
      () => scheduler.fed(1, 1),
      () => scheduler.sampled(1),
      () => scheduler.pause(1),
      () => scheduler.resume(2),
    ])
      expect(event).toThrow(OptionError)
    scheduler.admit()
    for (const event of [() => scheduler.fed(1, 6), () => scheduler.fed(1, -1), () => scheduler.sampled(1)])
      expect(event).toThrow(OptionError)
    expect(scheduler.remove(2)).toBe(false)
    expect(scheduler.load()).toMatchObject({ running: 1, slotsUsed: 0 })
    expect(scheduler.check()).toEqual([])
  })
})

describe('readers that do not read', () => {
  it('their rows rest, give way to others, the longest paused first, and come back where they were', () => {
    const scheduler = schedulerOf({ maxRows: 2 })
    const left = new Map([1, 2, 3, 4].map((id) => [id, 3]))
    for (const id of [1, 2]) scheduler.submit(request(id))
    step(scheduler, left)
    scheduler.pause(2)
    scheduler.pause(1)
    expect(scheduler.plan()).toEqual({ prefill: [], decode: [] })
    expect(scheduler.load()).toMatchObject({ running: 2, paused: 2, parked: 0 })
    for (const id of [3, 4]) scheduler.submit(request(id))
    expect(scheduler.admit()).toEqual({ admitted: [3, 4], parked: [2, 1] })
    expect(scheduler.load()).toMatchObject({ running: 2, paused: 0, parked: 2 })
    scheduler.submit(request(5))
    scheduler.resume(2)
    scheduler.remove(3)
    expect(scheduler.admit().admitted).toEqual([2])
    expect(scheduler.plan().prefill).toContainEqual({ id: 2, from: 0, count: 6, last: true })
    scheduler.remove(1)
    expect(scheduler.check()).toEqual([])
  })

  it('no row gives way when that would not make enough room', () => {
    const scheduler = schedulerOf({ maxRows: 2, maxSlots: 20 })
    for (const id of [1, 2]) scheduler.submit(request(id, 8, 3))
    scheduler.admit()
    scheduler.pause(1)
    scheduler.submit(request(3, 10, 3))
    expect(scheduler.admit()).toEqual({ admitted: [], parked: [] })
    scheduler.pause(2)
    expect(scheduler.admit()).toEqual({ admitted: [3], parked: [1, 2] })
  })
})

describe('the order', () => {
  it('is that of the arrivals within a priority; a more urgent request goes ahead of at most the last few', () => {
    const scheduler = schedulerOf({ maxRows: 1, overtake: 2, queue: { requests: 20, tokens: 1000 } })
    for (let id = 0; id < 6; id++) scheduler.submit(request(id))
    scheduler.submit(request(6, 5, 3, -1))
    scheduler.submit(request(7, 5, 3, -2))
    const order: number[] = []
    while (order.length < 8) {
      order.push(...scheduler.admit().admitted)
      scheduler.remove(order.at(-1)!)
    }
    expect(order).toEqual([0, 1, 2, 3, 7, 4, 6, 5])
  })

  it('starves nobody: under an endless stream of urgent requests a patient one is admitted after `overtake` of them', () => {
    const scheduler = schedulerOf({ maxRows: 1, overtake: 8 })
    scheduler.submit(request(0, 5, 3, 2))
    let ahead = 0
    for (let id = 1; ; id++) {
      // Two urgent ones come for every one that leaves.
      scheduler.submit(request(2 * id, 5, 3, 0))
      scheduler.submit(request(2 * id + 1, 5, 3, 0))
      const [admitted] = scheduler.admit().admitted
      if (admitted === 0) break
      ahead++
      scheduler.remove(admitted!)
    }
    expect(ahead).toBe(15)
  })

  it('holds back small requests for a large one that waits', () => {
    const scheduler = schedulerOf({ maxSlots: 30 })
    scheduler.submit(request(1, 10, 11))
    scheduler.admit()
    scheduler.submit(request(2, 15, 1))
    scheduler.submit(request(3, 2, 1))
    expect(scheduler.admit().admitted).toEqual([])
    scheduler.remove(1)
    expect(scheduler.admit().admitted).toEqual([2, 3])
  })
})

const limits = fc.record({
  maxRows: fc.integer({ min: 1, max: 4 }),
  maxSlots: fc.integer({ min: 20, max: 60 }),
  queue: fc.record({ requests: fc.integer({ min: 0, max: 6 }), tokens: fc.integer({ min: 10, max: 60 }) }),
  chunk: fc.integer({ min: 1, max: 12 }),
  overtake: fc.integer({ min: 0, max: 5 }),
})
const event = fc.oneof(
  fc.record({
    kind: fc.constant('submit' as const),
    promptLength: fc.integer({ min: 1, max: 30 }),
    maxTokens: fc.integer({ min: 1, max: 8 }),
    priority: fc.integer({ min: -2, max: 2 }),
  }),
  fc.record({ kind: fc.constantFrom('remove' as const, 'pause' as const, 'resume' as const), which: fc.nat(40) }),
  fc.record({ kind: fc.constant('step' as const), steps: fc.integer({ min: 1, max: 4 }) }),
)

describe('whatever happens', () => {
  it('budgets hold, every request ends, and later requests go ahead no more often than promised', () => {
    fc.assert(
      fc.property(limits, fc.array(event, { minLength: 20, maxLength: 80 }), (given, events) => {
        const scheduler = new Scheduler(given)
        const left = new Map<number, number>()
        const requests = new Map<number, { priority: number; need: number; promptLength: number }>()
        const admissions: number[] = []
        const fedPrompt = new Map<number, number>()
        const take = () => {
          const taken = step(scheduler, left)
          expect(taken.prefill.reduce((sum, { count }) => sum + count, 0)).toBeLessThanOrEqual(given.chunk)
          expect(new Set([...taken.decode, ...taken.prefill.map(({ id }) => id)]).size).toBe(
            taken.decode.length + taken.prefill.length,
          )
          admissions.push(...taken.admitted.filter((id) => !admissions.includes(id)))
          for (const { id, count } of taken.prefill) fedPrompt.set(id, (fedPrompt.get(id) ?? 0) + count)
          for (const id of taken.finished) left.delete(id)
          expect(scheduler.check()).toEqual([])
          const load = scheduler.load()
          expect(load.running).toBeLessThanOrEqual(given.maxRows)
          expect(load.slotsReserved).toBeLessThanOrEqual(given.maxSlots)
          expect(load.slotsUsed).toBeLessThanOrEqual(load.slotsReserved)
          return taken
        }
        for (const [id, each] of events.entries()) {
          if (each.kind === 'submit') {
            const { promptLength, maxTokens, priority } = each
            if (scheduler.submit({ id, promptLength, maxTokens, priority }) !== undefined) continue
            left.set(id, maxTokens)
            requests.set(id, { priority, promptLength, need: promptLength + maxTokens - 1 })
          } else if (each.kind === 'step') for (let i = 0; i < each.steps; i++) take()
          else {
            const id = [...left.keys()][each.which % Math.max(1, left.size)]
            if (id === undefined) continue
            if (each.kind === 'remove') {
              expect(scheduler.remove(id)).toBe(true)
              left.delete(id)
            } else if (each.kind === 'resume') scheduler.resume(id)
            else if (scheduler.plan().decode.includes(id)) scheduler.pause(id)
          }
          expect(scheduler.check()).toEqual([])
        }
        for (const id of left.keys()) scheduler.resume(id)
        // Every step feeds something, so this many are enough.
        const work = [...left.keys()].reduce((sum, id) => sum + requests.get(id)!.need + 8, 0)
        for (let i = 0; i < work && left.size > 0; i++) take()
        expect(left.size).toBe(0)
        expect(scheduler.load()).toMatchObject({
          waiting: 0,
          running: 0,
          parked: 0,
          waitingTokens: 0,
          slotsReserved: 0,
          slotsUsed: 0,
        })
        for (const [place, id] of admissions.entries()) {
          const own = requests.get(id)!.priority
          const ahead = admissions.slice(0, place).filter((other) => other > id)
          expect(ahead.filter((other) => requests.get(other)!.priority >= own)).toEqual([])
          const arrival = [...requests.keys()].indexOf(id)
          for (const other of ahead) {
            const later = [...requests.keys()].indexOf(other) - arrival
            expect(later).toBeLessThan(given.overtake * (own - requests.get(other)!.priority))
          }
        }
      }),
      { seed: 3, numRuns: 300 },
    )
  })
})
