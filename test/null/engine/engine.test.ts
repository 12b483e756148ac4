import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import {
  BusyError,
  ContextError,
  DataError,
  DeadlineError,
  DisposedError,
  LimitError,
  OptionError,
} from '../../../src/base/errors.ts'
import { generate } from '../../../src/decode/generate.ts'
import { generateText } from '../../../src/decode/generate-text.ts'
import type { ExtendOptions, Extension, Outputs } from '../../../src/decode/stepper.ts'
import { type EngineGenerateOptions, type EngineOptions, openEngine } from '../../../src/engine/index.ts'
import { byteTokenizer } from '../decode/byte-tokenizer.ts'
import { type StubState, StubStepper } from '../decode/stub-stepper.ts'
import { collect, SizedStepper, turn, turns } from './requests.ts'

const prompt = [1, 2, 3]

/** A stepper whose every call of `extend` waits until it is let go. */
class GatedStepper extends SizedStepper {
  waiting: (() => void)[] = []

  override async extend(batch: readonly Extension<StubState>[], options: ExtendOptions): Promise<Outputs[]> {
    await new Promise<void>((resolve) => this.waiting.push(resolve))
    return super.extend(batch, options)
  }

  /** Lets the call that waits go, and waits for the next. */
  async go(): Promise<void> {
    while (this.waiting.length === 0) await turn()
    this.waiting.shift()!()
    await turns(3)
  }
}

describe('an engine', () => {
  it('feeds all rows that go on in one call, and prompts in another', async () => {
    const stepper = new StubStepper()
    const batches: number[][] = []
    const extend = stepper.extend.bind(stepper)
    stepper.extend = (batch, options) => {
      batches.push(batch.map(({ tokens }) => tokens.length))
      return extend(batch, options)
    }
    await using engine = openEngine(stepper, { chunk: 4 })
    const prompts = [[1], [1, 2, 3], [1, 2, 3, 4, 5, 6]]
    await Promise.all(prompts.map((each) => collect(engine.generate(each, { maxTokens: 3 }))))
    // The third prompt does not fit beside the second: prompts are cut at multiples of the chunk alone.
    expect(batches).toEqual([[1], [3], [1, 1], [4], [1, 1], [2], [1], [1]])
    expect(engine.stats()).toMatchObject({
      steps: 5,
      submitted: 3,
      finished: { length: 3, 'end-token': 0 },
      tokens: { submitted: 10, fed: 16, generated: 9, reused: 0 },
      waited: { requests: 3 },
      now: { running: 0, waiting: 0, slotsUsed: 0, slotsReserved: 0 },
    })
    expect(stepper.openStates).toBe(0)
  })

  it('is a source of tokens for texts, with options of its own', async () => {
    const script = [...Buffer.from('abSTOPcdef')]
    const reciter = new StubStepper(258, 64, (tokens) => {
      const logits = new Float32Array(258).fill(-1000)
      logits[script[tokens.length - 3] ?? 257] = 0
      return logits
    })
    await using engine = openEngine(reciter)
    let text = ''
    for await (const piece of generateText(engine, byteTokenizer, 'hi', { stop: ['STOP'], priority: 2 })) text += piece.text
    expect(text).toBe('ab')
    expect(reciter.openStates).toBe(0)
    const call = (options: object) => () => generateText(engine, byteTokenizer, 'hi', options)
    expect(call({ priority: 11 })).toThrow(OptionError)
    expect(call({ prioritie: 1 })).toThrow(/stop/)
    expect(() => generateText(reciter, byteTokenizer, 'hi', { priority: 1 } as object)).toThrow(OptionError)
  })

  it('lets others have a turn at every step, though its stepper never waits', async () => {
    await using engine = openEngine(new StubStepper())
    let running = true
    let steps = 0
    const done = collect(engine.generate(prompt, { maxTokens: 20 })).then(() => {
      running = false
    })
    while (running) {
      await turn()
      steps++
    }
    await done
    expect(steps).toBeGreaterThanOrEqual(20)
  })

  it('admits by priority', async () => {
    await using engine = openEngine(new StubStepper(), { maxRows: 1 })
    const order: string[] = []
    const run = async (name: string, priority: number) => {
      await collect(engine.generate(prompt, { maxTokens: 2, priority }))
      order.push(name)
    }
    await Promise.all([run('first', 0), run('patient', 5), run('urgent', -5), run('second', 0)])
    expect(order).toEqual(['urgent', 'first', 'second', 'patient'])
  })

  it('ends by itself with what there is room for, and refuses what asks for more', async () => {
    await using engine = openEngine(new StubStepper(8, 32), { maxSlots: 10 })
    expect((await collect(engine.generate(prompt))).length).toBe(8)
    expect((await collect(engine.generate(prompt, { maxTokens: 8 }))).length).toBe(8)
    expect(() => engine.generate(prompt, { maxTokens: 9 })).toThrow(LimitError)
    expect(engine.stats().refused['too-long']).toBe(1)
  })
})

describe('refusals', () => {
  it('come at the first token when the queue is full, and leave the others alone', async () => {
    const stepper = new GatedStepper()
    await using engine = openEngine(stepper, { maxRows: 1, maxWaiting: 1, maxWaitingTokens: 5 })
    const options = { maxTokens: 1 }
    const first = collect(engine.generate(prompt, options))
    await turns(3)
    const second = collect(engine.generate(prompt, options))
    const refused = engine.generate(prompt, options)
    await expect(refused.next()).rejects.toThrow(BusyError)
    expect(await refused.next()).toEqual({ value: undefined, done: true })
    await stepper.go()
    expect((await first).length).toBe(1)
    const third = collect(engine.generate(prompt, options))
    await stepper.go()
    await stepper.go()
    expect((await second).length + (await third).length).toBe(2)
    expect(engine.stats()).toMatchObject({ submitted: 3, refused: { 'queue-full': 1 } })
  })

  it('come at the first token once it drains; what it has goes on', async () => {
    const stepper = new StubStepper()
    await using engine = openEngine(stepper)
    const running = collect(engine.generate(prompt, { maxTokens: 5 }))
    await turn()
    const drained = engine.drain()
    await expect(engine.generate(prompt).next()).rejects.toThrow(DisposedError)
    await drained
    expect(stepper.openStates).toBe(0)
    expect((await running).length).toBe(5)
    expect(engine.stats().refused.draining).toBe(1)
    await engine.drain()
  })

  const limited = openEngine(new StubStepper(8, 10))
  const of = (value: unknown) => value as EngineGenerateOptions
  it.each([
    { what: 'an unknown option', options: of({ prio: 1 }) },
    { what: 'a priority beyond its range', options: { priority: -11 } },
    { what: 'a broken priority', options: { priority: 0.5 } },
    { what: 'an unknown deadline', options: of({ deadlines: { last: 1 } }) },
    { what: 'a deadline of no time', options: { deadlines: { total: 0 } } },
    { what: 'a deadline beyond the clock', options: { deadlines: { nextToken: 2 ** 31 } } },
    { what: 'deadlines that are a number', options: of({ deadlines: 5 }) },
    { what: 'a salt that is no text', options: of({ salt: 5 }) },
    { what: 'an option of generate out of range', options: { topK: 0 } },
    { what: 'null', options: of(null) },
  ])('$what, at the call', ({ options }) => {
    expect(() => limited.generate(prompt, options)).toThrow(OptionError)
  })

  it('prompts that cannot be fed, at the call', () => {
    expect(() => limited.generate([])).toThrow(DataError)
    expect(() => limited.generate([8])).toThrow(DataError)
    expect(() => limited.generate(new Int32Array(11))).toThrow(ContextError)
  })

  it.each([
    { what: 'no rows', options: { maxRows: 0 } },
    { what: 'no chunk', options: { chunk: 0 } },
    { what: 'unread below 1', options: { maxUnread: 0 } },
    { what: 'an unknown option', options: { rows: 1 } as EngineOptions },
    { what: 'a cache without bytes', options: { prefixCache: {} } as unknown as EngineOptions },
    { what: 'a cache that does not know what a state costs', options: { prefixCache: { bytes: 5 } } },
  ])('engines with $what', ({ options }) => {
    expect(() => openEngine(new StubStepper(), options as EngineOptions<StubState>)).toThrow(OptionError)
  })
})

describe('a reader that does not read', () => {
  it('holds up neither memory nor others, and gets the same tokens later', async () => {
    const stepper = new StubStepper(8, 64)
    await using engine = openEngine(stepper, { maxRows: 1, maxUnread: 4 })
    const options = { maxTokens: 30, seed: 3 }
    const slow = engine.generate(prompt, options)
    const seen = [(await slow.next()).value]
    await turns(20)
    expect(engine.stats()).toMatchObject({ tokens: { generated: 5 }, now: { running: 1, paused: 1 } })
    const other = await collect(engine.generate([4, 5], { maxTokens: 10 }))
    expect(other).toEqual(await collect(generate(new StubStepper(8, 64), [4, 5], { maxTokens: 10 })))
    expect(engine.stats()).toMatchObject({ parked: 1, now: { running: 0, parked: 1, slotsReserved: 0 } })
    expect(stepper.openStates).toBe(0)
    for await (const token of slow) seen.push(token)
    expect(seen).toEqual(await collect(generate(new StubStepper(8, 64), prompt, options)))
    expect(engine.check()).toEqual([])
  })

  it('can leave at once while it has no row, whatever the stepper does', async () => {
    const stepper = new GatedStepper()
    await using engine = openEngine(stepper, { maxRows: 1, maxUnread: 1 })
    const parked = engine.generate(prompt)
    const token = parked.next()
    for (let i = 0; i < 2; i++) await stepper.go()
    await token
    const other = collect(engine.generate(prompt, { maxTokens: 1 }))
    await turns(5)
    expect(engine.stats().now).toMatchObject({ parked: 1, running: 1 })
    await parked.return(undefined)
    expect(engine.stats().now).toMatchObject({ parked: 0, running: 1 })
    await stepper.go()
    await other
  })

  it('can leave while it rests, in its row or out of it', async () => {
    const stepper = new StubStepper(8, 64)
    await using engine = openEngine(stepper, { maxRows: 1, maxUnread: 2 })
    const resting = engine.generate(prompt)
    await resting.next()
    await turns(10)
    expect(stepper.openStates).toBe(1)
    await resting.return(undefined)
    expect(stepper.openStates).toBe(0)
    const parked = engine.generate(prompt)
    await parked.next()
    await turns(10)
    await collect(engine.generate(prompt, { maxTokens: 3 }))
    expect(engine.stats().now.parked).toBe(1)
    await parked.return(undefined)
    expect(engine.stats()).toMatchObject({ cancelled: 2, now: { parked: 0, running: 0 } })
    await engine.drain()
  })
})

describe('leaving early', () => {
  it('a break frees the row before the loop is left', async () => {
    const stepper = new StubStepper()
    await using engine = openEngine(stepper)
    for await (const { index } of engine.generate(prompt)) if (index === 2) break
    expect(stepper.openStates).toBe(0)
    expect(engine.stats()).toMatchObject({ cancelled: 1, now: { running: 0 } })
  })

  it('a stream that was never read holds nothing', async () => {
    const stepper = new StubStepper()
    await using engine = openEngine(stepper)
    const stream = engine.generate(prompt)
    await turns(3)
    expect(engine.stats().submitted).toBe(0)
    expect(await stream.return(undefined)).toEqual({ value: undefined, done: true })
    expect(await stream.next()).toEqual({ value: undefined, done: true })
    expect(engine.stats().submitted).toBe(0)
    await expect(engine.generate(prompt).throw(new Error('thrown'))).rejects.toThrow('thrown')
  })

  it('an abort before the first token asks for nothing', async () => {
    const stepper = new StubStepper()
    await using engine = openEngine(stepper)
    await expect(engine.generate(prompt, { signal: AbortSignal.abort(new Error('before')) }).next()).rejects.toThrow('before')
    expect(engine.stats().submitted).toBe(0)
    expect(stepper.calls).toEqual([])
  })

  it('an abort while it waits leaves the queue at once', async () => {
    const stepper = new GatedStepper()
    await using engine = openEngine(stepper, { maxRows: 1 })
    const first = collect(engine.generate(prompt, { maxTokens: 1 }))
    await turns(3)
    const controller = new AbortController()
    const queued = engine.generate(prompt, { signal: controller.signal })
    const token = queued.next()
    expect(engine.stats().now.waiting).toBe(1)
    controller.abort(new Error('enough'))
    expect(engine.stats().now.waiting).toBe(0)
    await expect(token).rejects.toThrow('enough')
    expect(engine.check()).toEqual([])
    await stepper.go()
    await first
    expect(stepper.calls).toEqual([3])
  })

  it.each([
    ['its prompt is read', 1],
    ['its first token is computed', 2],
    ['a later token is computed', 4],
  ])('an abort while %s ends it at once, and frees its row before the next step', async (_, calls) => {
    const stepper = new GatedStepper()
    await using engine = openEngine(stepper, { chunk: 2, maxUnread: 100 })
    const controller = new AbortController()
    const aborted = collect(engine.generate(prompt, { signal: controller.signal }))
    aborted.catch(() => undefined)
    for (let i = 1; i < calls; i++) await stepper.go()
    await turns(2)
    controller.abort(new Error('enough'))
    await expect(aborted).rejects.toThrow('enough')
    expect(stepper.openStates).toBe(1)
    await stepper.go()
    expect(stepper.openStates).toBe(0)
    expect(stepper.calls.length).toBe(calls)
    expect(engine.stats()).toMatchObject({ cancelled: 1, now: { running: 0 } })
  })

  it('an abort drops what was not read', async () => {
    await using engine = openEngine(new StubStepper())
    const controller = new AbortController()
    const stream = engine.generate(prompt, { signal: controller.signal })
    await stream.next()
    await turns(10)
    controller.abort(new Error('enough'))
    await expect(stream.next()).rejects.toThrow('enough')
    expect(await stream.next()).toEqual({ value: undefined, done: true })
  })

  it('one signal ends many requests with one listener, and keeps none', async () => {
    await using engine = openEngine(new StubStepper(), { maxRows: 4 })
    const controller = new AbortController()
    let listeners = 0
    const { signal } = controller
    const [add, remove] = [signal.addEventListener.bind(signal), signal.removeEventListener.bind(signal)]
    signal.addEventListener = (...given: Parameters<typeof add>) => {
      listeners++
      add(...given)
    }
    signal.removeEventListener = (...given: Parameters<typeof remove>) => {
      listeners--
      remove(...given)
    }
    const ended = Promise.allSettled(Array.from({ length: 30 }, () => collect(engine.generate(prompt, { signal, maxTokens: 3 }))))
    expect(listeners).toBe(1)
    await turns(4)
    controller.abort(new Error('enough'))
    const outcomes = await ended
    expect(outcomes.filter(({ status }) => status === 'rejected').length).toBeGreaterThan(20)
    expect(listeners).toBe(0)
    await engine.drain()
  })

  it('a reader that leaves while it waits for a token is done at once', async () => {
    const stepper = new GatedStepper()
    await using engine = openEngine(stepper)
    const stream = engine.generate(prompt)
    const token = stream.next()
    await turns(3)
    const left = stream.return(undefined)
    expect(await token).toEqual({ value: undefined, done: true })
    await stepper.go()
    expect(await left).toEqual({ value: undefined, done: true })
    expect(stepper.openStates).toBe(0)
  })

  it('disposal ends everything, and closes what the cache keeps', async () => {
    const stepper = new SizedStepper()
    const engine = openEngine(stepper, { maxRows: 2, maxUnread: 2, prefixCache: { bytes: 10_000 } })
    await collect(engine.generate([5, 5, 5], { maxTokens: 2 }))
    expect(stepper.openStates).toBe(1)
    const streams = [1, 2, 3].map((seed) => engine.generate(prompt, { seed }))
    const firsts = streams.map((stream) => stream.next())
    await turns(4)
    await engine[Symbol.asyncDispose]()
    expect(stepper.openStates).toBe(0)
    const outcomes = await Promise.allSettled([...firsts, ...streams.map((stream) => stream.next())])
    expect(outcomes.slice(3).every((outcome) => outcome.status === 'rejected' || outcome.value.done)).toBe(true)
    expect(outcomes.some((outcome) => outcome.status === 'rejected' && outcome.reason instanceof DisposedError)).toBe(true)
    await expect(engine.generate(prompt).next()).rejects.toThrow(DisposedError)
    await engine[Symbol.asyncDispose]()
  })
})

describe('deadlines', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  })
  afterEach(() => {
    expect(vi.getTimerCount()).toBe(0)
    vi.useRealTimers()
  })

  it.each(['total', 'firstToken'] as const)('%s ends a request whose stepper does not answer', async (name) => {
    const stepper = new GatedStepper()
    await using engine = openEngine(stepper)
    const token = engine.generate(prompt, { deadlines: { [name]: 50 } }).next()
    token.catch(() => undefined)
    await turns(3)
    vi.advanceTimersByTime(49)
    await turns(3)
    expect(engine.stats().late).toBe(0)
    vi.advanceTimersByTime(1)
    await expect(token).rejects.toThrow(DeadlineError)
    expect(engine.stats()).toMatchObject({ late: 1, cancelled: 0, now: { running: 0 } })
    await stepper.go()
    expect(stepper.openStates).toBe(0)
  })

  it('firstToken is over with the first token; nextToken runs from token to token, and not while the reader rests', async () => {
    const stepper = new GatedStepper()
    await using engine = openEngine(stepper, { maxUnread: 1 })
    const stream = engine.generate(prompt, { deadlines: { nextToken: 50, firstToken: 70 } })
    const first = stream.next()
    await stepper.go()
    expect((await first).value).toMatchObject({ index: 0 })
    vi.advanceTimersByTime(40)
    await stepper.go()
    // The reader has one unread token: its row rests, whatever the clock says.
    vi.advanceTimersByTime(1000)
    expect(engine.stats()).toMatchObject({ late: 0, now: { paused: 1 } })
    expect((await stream.next()).value).toMatchObject({ index: 1 })
    const third = stream.next()
    third.catch(() => undefined)
    vi.advanceTimersByTime(49)
    expect(engine.stats().late).toBe(0)
    vi.advanceTimersByTime(1)
    await expect(third).rejects.toThrow(DeadlineError)
  })

  it('total counts the whole request', async () => {
    await using engine = openEngine(new StubStepper())
    const stream = engine.generate(prompt, { deadlines: { total: 50 } })
    for (let i = 0; i < 5; i++) {
      await stream.next()
      vi.advanceTimersByTime(9)
    }
    vi.advanceTimersByTime(5)
    await expect(stream.next()).rejects.toThrow(DeadlineError)
  })
})

describe('cached prefixes', () => {
  const options = { maxTokens: 4, seed: 1 }

  it('are found by requests of the same salt, and show in their usage', async () => {
    await using engine = openEngine(new SizedStepper(), { prefixCache: { bytes: 10_000 } })
    const usageOf = async (tokens: readonly number[], salt?: string) => {
      const stream = engine.generate(tokens, { ...options, salt })
      await collect(stream)
      return stream.usage
    }
    expect(await usageOf([1, 2, 3, 4], 'mine')).toMatchObject({ promptTokens: 4, reusedTokens: 0, generatedTokens: 4 })
    expect(await usageOf([1, 2, 3, 4], 'mine')).toMatchObject({ promptTokens: 4, reusedTokens: 3, generatedTokens: 4 })
    expect(await usageOf([1, 2, 3, 4, 5], 'yours')).toMatchObject({ reusedTokens: 0 })
    expect(await usageOf([1, 2, 3, 4, 5])).toMatchObject({ reusedTokens: 0 })
    expect(engine.stats()).toMatchObject({ tokens: { reused: 3, submitted: 18, fed: 18 - 3 + 4 * 3 } })
    expect(engine.generate(prompt).usage).toEqual({ promptTokens: 3, reusedTokens: 0, generatedTokens: 0, waited: undefined })
  })

  it('a request that gave way finds its own state again, which is no reuse', async () => {
    const stepper = new SizedStepper(8, 64)
    await using engine = openEngine(stepper, { maxRows: 1, maxUnread: 2, prefixCache: { bytes: 10_000 } })
    const slow = engine.generate(prompt, { ...options, maxTokens: 20 })
    await slow.next()
    await turns(10)
    await collect(engine.generate([7, 7], { maxTokens: 3 }))
    expect(engine.stats().parked).toBe(1)
    const rest = await collect(slow)
    expect(rest.length).toBe(19)
    expect(slow.usage.reusedTokens).toBe(0)
    // Each token once, and none of the last tokens.
    expect(engine.stats().tokens).toMatchObject({ reused: 0, fed: 3 + 19 + 2 + 2 })
  })
})

describe('failures', () => {
  it('of a row fail its request alone, and give the memory back', async () => {
    const stepper = new StubStepper()
    const extend = stepper.extend.bind(stepper)
    stepper.extend = async (batch, options) => {
      if (batch.some(({ state }) => state.tokens[0] === 7 && state.length === 5)) throw new Error('poisoned')
      return extend(batch, options)
    }
    await using engine = openEngine(stepper)
    const good = [1, 2, 3].map((seed) => collect(engine.generate(prompt, { seed, maxTokens: 10 })))
    const bad = engine.generate([7, 1], { maxTokens: 10 })
    const seen: number[] = []
    const consume = async () => {
      for await (const { index } of bad) seen.push(index)
    }
    await expect(consume()).rejects.toThrow('poisoned')
    expect(seen).toEqual([0, 1, 2, 3])
    const alone = [1, 2, 3].map((seed) => collect(generate(new StubStepper(), prompt, { seed, maxTokens: 10 })))
    expect(await Promise.all(good)).toEqual(await Promise.all(alone))
    expect(stepper.openStates).toBe(0)
    expect(engine.stats()).toMatchObject({ failed: 1, finished: { length: 3 } })
    expect((await collect(engine.generate(prompt, { maxTokens: 2 }))).length).toBe(2)
  })

  it('of a rule, of opening and of closing are those of their request', async () => {
    const stepper = new StubStepper()
    await using engine = openEngine(stepper)
    const rule = () => {
      throw new Error('rule')
    }
    const beside = collect(engine.generate(prompt, { maxTokens: 4 }))
    await expect(collect(engine.generate(prompt, { rules: [rule] }))).rejects.toThrow('rule')
    expect((await beside).length).toBe(4)
    const { open, close } = stepper
    stepper.open = () => Promise.reject(new Error('no room'))
    await expect(collect(engine.generate(prompt))).rejects.toThrow('no room')
    stepper.open = open
    stepper.close = () => Promise.reject(new Error('stuck'))
    expect((await collect(engine.generate(prompt, { maxTokens: 4 }))).length).toBe(4)
    expect(engine.stats()).toMatchObject({ failed: 2, lost: 1 })
    stepper.close = close
  })

  it('of every call fail every request, and the engine goes on when the stepper does', async () => {
    const stepper = new StubStepper()
    const { extend } = stepper
    await using engine = openEngine(stepper, { maxRows: 2 })
    stepper.extend = () => Promise.reject(new Error('device lost'))
    const outcomes = await Promise.allSettled([1, 2, 3].map(() => collect(engine.generate(prompt))))
    expect(outcomes.map((outcome) => outcome.status === 'rejected' && outcome.reason.message)).toEqual(Array(3).fill('device lost'))
    expect(stepper.openStates).toBe(0)
    stepper.extend = extend
    expect((await collect(engine.generate(prompt, { maxTokens: 2 }))).length).toBe(2)
  })

  it('a stepper that fed half of a failed call is found out', async () => {
    const stepper = new StubStepper()
    const { extend } = stepper
    let calls = 0
    stepper.extend = async (batch, options) => {
      if (++calls !== 2) return extend.call(stepper, batch, options)
      await extend.call(stepper, batch.slice(0, 1), options)
      throw new Error('half-way')
    }
    await using engine = openEngine(stepper)
    const outcomes = await Promise.allSettled([1, 2].map((seed) => collect(engine.generate(prompt, { seed, maxTokens: 4 }))))
    expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'fulfilled'])
    expect(stepper.openStates).toBe(0)
  })
})
