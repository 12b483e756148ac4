import { expect } from 'vitest'
import { ContextError, DisposedError, NextxError } from '../../src/base/errors.ts'
import type { StepperState } from '../../src/decode/stepper.ts'
import type { StepperBench } from './stepper-bench.ts'

type Case = <State extends StepperState>(bench: StepperBench<State>) => Promise<void>

/** A small draft tree: two children of the last position, three grandchildren, one great-grandchild. */
const treeParents = [-1, -1, 0, 0, 1, 3]

/** The tokens from the root of the tree to a slot. */
function treePath(tokens: readonly number[], slot: number): number[] {
  return slot < 0 ? [] : [...treePath(tokens, treeParents[slot]!), tokens[slot]!]
}

/** Every choice of some items, in every order. */
function ordersOf(items: readonly number[]): number[][] {
  return [[], ...items.flatMap((item) => ordersOf(items.filter((other) => other !== item)).map((order) => [item, ...order]))]
}

const cached = {
  'cached equals uncached': async (bench) => {
    const tokens = bench.tokens(12)
    const state = await bench.open()
    for (const [i, token] of tokens.entries()) {
      bench.expectClose(await bench.feed(state, [token]), await bench.fresh(tokens.slice(0, i + 1)), `after ${i + 1} tokens`)
      expect(state.length).toBe(i + 1)
    }
  },
  'cached and uncached greedy decoding agree': async (bench) => {
    const tokens = bench.tokens(3)
    const state = await bench.open()
    let logits = await bench.feed(state, tokens)
    for (let step = 0; step < 10; step++) {
      const [first, second] = [...logits.keys()].sort((a, b) => logits[b]! - logits[a]!) as [number, number]
      const reference = await bench.fresh(tokens)
      // Two kernels may round differently: a step whose two best tokens are this close decides nothing.
      if (logits[first]! - logits[second]! >= bench.tolerance)
        expect(reference.indexOf(Math.max(...reference)), `step ${step}`).toBe(first)
      tokens.push(first)
      logits = await bench.feed(state, [first])
    }
  },
  'many tokens at once equal one by one': async (bench) => {
    const tokens = bench.tokens(9)
    const all = await bench.feed(await bench.open(), tokens, { logits: 'all' })
    expect(all.length).toBe(tokens.length * bench.stepper.vocabularySize)
    const state = await bench.open()
    for (const [i, token] of tokens.entries()) bench.expectClose(await bench.feed(state, [token]), bench.row(all, i), `token ${i}`)
  },
  'chunks equal the whole': async (bench) => {
    const tokens = bench.tokens(13)
    const state = await bench.open()
    for (const end of [5, 6, 10]) await bench.feed(state, tokens.slice(state.length, end), { logits: 'none' })
    bench.expectClose(await bench.feed(state, tokens.slice(10)), await bench.fresh(tokens), 'the last chunk')
  },
  'logits come back as asked': async (bench) => {
    const tokens = bench.tokens(5)
    const all = await bench.feed(await bench.open(), tokens, { logits: 'all' })
    const last = await bench.feed(await bench.open(), tokens, { logits: 'last' })
    bench.expectClose(last, bench.row(all, 4), 'last')
    const state = await bench.open()
    expect((await bench.feed(state, tokens, { logits: 'none' })).length).toBe(0)
    await bench.expectHolds(state, tokens, 'after none')
  },
  'hidden states come back as asked': async (bench) => {
    const tokens = bench.tokens(5)
    const extend = async (keep: 'append' | 'scratch', logits: 'last' | 'all', hidden: boolean) => {
      const [output] = await bench.stepper.extend([{ state: await bench.open(), tokens }], { keep, logits, hidden })
      return output!.hidden
    }
    expect(await extend('append', 'all', false)).toBeUndefined()
    const all = (await extend('append', 'all', true))!
    const width = all.length / tokens.length
    expect(Number.isInteger(width) && width > 0).toBe(true)
    bench.expectClose((await extend('append', 'last', true))!, all.subarray(4 * width), 'last')
    bench.expectClose((await extend('scratch', 'all', true))!, all, 'scratch')
  },
  'hidden states come back without logits': async (bench) => {
    const tokens = bench.tokens(5)
    const [expected] = await bench.stepper.extend([{ state: await bench.open(), tokens }], {
      keep: 'append',
      logits: 'all',
      hidden: true,
    })
    for (const [slots, from] of [
      ['all', 0],
      ['last', 4],
    ] as const) {
      const batch = [
        { state: await bench.open(), tokens },
        { state: await bench.open(), tokens: tokens.slice(0, 2) },
      ]
      const [output] = await bench.stepper.extend(batch, { keep: 'append', logits: 'none', hidden: { slots } })
      expect(output!.logits.length).toBe(0)
      const width = expected!.hidden!.length / 5
      bench.expectClose(output!.hidden!, expected!.hidden!.subarray(from * width), slots)
    }
    const strange = { keep: 'append', logits: 'none', hidden: { slots: 'all', layer: 99 } } as const
    await expect(bench.stepper.extend([{ state: await bench.open(), tokens }], strange)).rejects.toThrow(NextxError)
  },
  'earlier outputs are not overwritten': async (bench) => {
    const state = await bench.open()
    const logits = await bench.feed(state, bench.tokens(4))
    const copy = logits.slice()
    await bench.feed(state, bench.tokens(4, 1))
    await bench.fresh(bench.tokens(4, 2))
    expect(logits).toEqual(copy)
  },
} satisfies Record<string, Case>

const batches = {
  'a ragged batch equals each row alone': async (bench) => {
    const prefixes = [0, 7, 2, 11].map((count, row) => bench.tokens(count, row))
    const tails = [3, 1, 6, 2].map((count, row) => bench.tokens(count, 10 + row))
    const states = await Promise.all(prefixes.map((prefix) => bench.open(prefix)))
    const batch = states.map((state, row) => ({ state, tokens: tails[row]! }))
    const outputs = await bench.stepper.extend(batch, { keep: 'append', logits: 'last' })
    expect(outputs.length).toBe(4)
    for (const [row, { logits }] of outputs.entries()) {
      const tokens = [...prefixes[row]!, ...tails[row]!]
      bench.expectClose(logits, await bench.fresh(tokens), `row ${row}`)
      await bench.expectHolds(states[row]!, tokens, `row ${row}`)
    }
  },
  'a batch of equal rows equals one row': async (bench) => {
    const tokens = bench.tokens(6)
    const states = await Promise.all([1, 2, 3].map(() => bench.open()))
    const batch = states.map((state) => ({ state, tokens }))
    const outputs = await bench.stepper.extend(batch, { keep: 'append', logits: 'all' })
    const alone = await bench.feed(await bench.open(), tokens, { logits: 'all' })
    for (const { logits } of outputs) bench.expectClose(logits, alone, 'a row')
  },
  'company may change from call to call': async (bench) => {
    const [a, b, c] = await Promise.all([
      bench.open(bench.tokens(3, 1)),
      bench.open(bench.tokens(5, 2)),
      bench.open(bench.tokens(2, 3)),
    ])
    const [x, y] = [bench.tokens(1, 4), bench.tokens(1, 5)]
    const extend = (states: (typeof a)[], tokens: number[]) =>
      bench.stepper.extend(
        states.map((state) => ({ state, tokens })),
        { keep: 'append', logits: 'last' },
      )
    await extend([a, b, c], x)
    await bench.stepper.close(b)
    await extend([c, a], y)
    await bench.expectHolds(a, [...bench.tokens(3, 1), ...x, ...y], 'a')
    await bench.expectHolds(c, [...bench.tokens(2, 3), ...x, ...y], 'c')
  },
  'any rows may go together, in any order': async (bench) => {
    const orders = ordersOf([0, 1, 2, 3])
    const held = [0, 1, 2, 3].map((row) => bench.tokens(2, row))
    const states = await Promise.all(held.map((tokens) => bench.open(tokens)))
    for (const [i, order] of orders.filter(({ length }) => length > 1).entries()) {
      // One position each; rewound, so that contexts stay short.
      const token = bench.tokens(1, 100 + i)
      const batch = order.map((row) => ({ state: states[row]!, tokens: token }))
      const outputs = await bench.stepper.extend(batch, { keep: 'scratch', logits: 'last' })
      const row = order[i % order.length]!
      bench.expectClose(outputs[i % order.length]!.logits, await bench.fresh([...held[row]!, ...token]), `rows ${order}`)
    }
    for (const [row, state] of states.entries()) await bench.expectHolds(state, held[row]!, `row ${row}`)
  },
  'calls made without waiting equal calls one after another': async (bench) => {
    const states = await Promise.all([bench.open(), bench.open()])
    const both = await Promise.all(states.map((state, row) => bench.feed(state, bench.tokens(5, row))))
    for (const [row, logits] of both.entries()) bench.expectClose(logits, await bench.fresh(bench.tokens(5, row)), `row ${row}`)
  },
  'scratch trees in a batch equal each row alone': async (bench) => {
    const states = await Promise.all([bench.open(bench.tokens(4)), bench.open(bench.tokens(9, 1))])
    const [tree, chain] = [bench.tokens(6, 2), bench.tokens(2, 3)]
    const batch = [
      { state: states[0]!, tokens: tree, parents: treeParents },
      { state: states[1]!, tokens: chain },
    ]
    const outputs = await bench.stepper.extend(batch, { keep: 'scratch', logits: 'all' })
    bench.expectClose(outputs[0]!.logits, await bench.scratch(states[0]!, tree, treeParents), 'the tree')
    bench.expectClose(outputs[1]!.logits, await bench.scratch(states[1]!, chain), 'the chain')
  },
} satisfies Record<string, Case>

const histories = {
  'forks are copies that go their own ways': async (bench) => {
    const tokens = bench.tokens(6)
    const state = await bench.open(tokens)
    const copies = await bench.fork(state, 2)
    expect(copies.length).toBe(2)
    const continuations = [state, ...copies].map((branch, i) => ({ branch, more: bench.tokens(3, i + 1) }))
    for (const { branch, more } of continuations) await bench.feed(branch, more)
    for (const { branch, more } of continuations) await bench.expectHolds(branch, [...tokens, ...more], 'a branch')
  },
  'a fork outlives its original': async (bench) => {
    const tokens = bench.tokens(6)
    const state = await bench.open(tokens)
    const [copy] = await bench.fork(state, 1)
    await bench.stepper.close(state)
    await bench.fresh(bench.tokens(8, 1))
    await bench.expectHolds(copy!, tokens, 'the copy')
  },
  'fork then rewind never happened': async (bench) => {
    const tokens = bench.tokens(8)
    const state = await bench.open(tokens)
    const [copy] = await bench.fork(state, 1)
    await bench.feed(copy!, bench.tokens(4, 1))
    await bench.stepper.rewind(copy!, 8)
    await bench.expectHolds(copy!, tokens, 'the copy')
    await bench.stepper.rewind(copy!, 3)
    await bench.feed(copy!, bench.tokens(2, 2))
    await bench.expectHolds(state, tokens, 'the original')
    await bench.expectHolds(copy!, [...tokens.slice(0, 3), ...bench.tokens(2, 2)], 'the copy, rewound further')
  },
  'rewind forgets': async (bench) => {
    let held = bench.tokens(10)
    const state = await bench.open(held)
    for (const { length, more } of [
      { length: 7, more: 2 },
      { length: 9, more: 0 },
      { length: 1, more: 4 },
      { length: 0, more: 5 },
    ]) {
      await bench.stepper.rewind(state, length)
      const next = bench.tokens(more, length + 20)
      if (more > 0) await bench.feed(state, next)
      held = [...held.slice(0, length), ...next]
      await bench.expectHolds(state, held, `rewound to ${length}`)
    }
  },
} satisfies Record<string, Case>

const scratch = {
  'scratch equals append': async (bench) => {
    const [prefix, tokens] = [bench.tokens(5), bench.tokens(4, 1)]
    const drafted = await bench.scratch(await bench.open(prefix), tokens)
    bench.expectClose(drafted, await bench.feed(await bench.open(prefix), tokens, { logits: 'all' }), 'a chain')
  },
  'scratch leaves no trace': async (bench) => {
    const tokens = bench.tokens(7)
    const state = await bench.open(tokens)
    await bench.scratch(state, bench.tokens(5, 1))
    expect(state.length).toBe(7)
    await bench.scratch(state, bench.tokens(6, 2), treeParents)
    bench.expectClose(
      await bench.feed(state, bench.tokens(2, 3)),
      await bench.fresh([...tokens, ...bench.tokens(2, 3)]),
      'appended after',
    )
    await bench.expectHolds(state, [...tokens, ...bench.tokens(2, 3)], 'after scratch and append')
  },
  'scratch works on an empty state': async (bench) => {
    const tokens = bench.tokens(3)
    const logits = await bench.scratch(await bench.open(), tokens)
    for (const i of tokens.keys()) bench.expectClose(bench.row(logits, i), await bench.fresh(tokens.slice(0, i + 1)), `slot ${i}`)
  },
  'siblings of a tree do not see one another': async (bench) => {
    const [prefix, tokens] = [bench.tokens(5), bench.tokens(6, 1)]
    const logits = await bench.scratch(await bench.open(prefix), tokens, treeParents)
    for (const slot of tokens.keys()) {
      bench.expectClose(bench.row(logits, slot), await bench.fresh([...prefix, ...treePath(tokens, slot)]), `slot ${slot}`)
    }
  },
  'commit of a path equals append of that path': async (bench) => {
    const [prefix, tokens] = [bench.tokens(5), bench.tokens(6, 1)]
    for (const path of [[], [1], [0, 2], [1, 4], [0, 3, 5]]) {
      const state = await bench.open(prefix)
      await bench.scratch(state, tokens, treeParents)
      await bench.stepper.commit(state, path)
      const committed = [...prefix, ...path.map((slot) => tokens[slot]!)]
      await bench.expectHolds(state, committed, `path ${path}`)
      await bench.feed(state, bench.tokens(3, 2))
      await bench.expectHolds(state, [...committed, ...bench.tokens(3, 2)], `path ${path}, continued`)
    }
  },
  'commit of the beginning of a chain keeps that': async (bench) => {
    const [prefix, tokens] = [bench.tokens(5), bench.tokens(4, 1)]
    const state = await bench.open(prefix)
    await bench.scratch(state, tokens)
    await bench.stepper.commit(state, [0, 1])
    await bench.expectHolds(state, [...prefix, ...tokens.slice(0, 2)], 'after the commit')
  },
  'a fork taken from a state with scratch holds committed slots only': async (bench) => {
    const tokens = bench.tokens(5)
    const state = await bench.open(tokens)
    await bench.scratch(state, bench.tokens(3, 1))
    const [copy] = await bench.fork(state, 1)
    await bench.expectHolds(copy!, tokens, 'the copy')
  },
  'every change of the state drops scratch': async (bench) => {
    const changes: ((state: StateOf<typeof bench>) => Promise<unknown>)[] = [
      (state) => bench.feed(state, bench.tokens(1, 3)),
      (state) => bench.stepper.rewind(state, 2),
      (state) => bench.stepper.commit(state, [0]),
    ]
    for (const change of changes) {
      const state = await bench.open(bench.tokens(4))
      await bench.scratch(state, bench.tokens(3, 1))
      await change(state)
      await expect(bench.stepper.commit(state, [0])).rejects.toThrow(NextxError)
    }
  },
} satisfies Record<string, Case>

const refusals = {
  'a full context is usable, one position more is refused': async (bench) => {
    const { contextLength } = bench.stepper
    const tokens = bench.tokens(contextLength)
    const state = await bench.open(tokens.slice(0, -1))
    bench.expectClose(await bench.feed(state, tokens.slice(-1)), await bench.fresh(tokens), 'the last position')
    await expect(bench.feed(state, [0])).rejects.toThrow(ContextError)
    await expect(bench.scratch(state, [0])).rejects.toThrow(ContextError)
    expect(state.length).toBe(contextLength)
    await bench.stepper.rewind(state, 5)
    await bench.expectHolds(state, tokens.slice(0, 5), 'rewound after the refusal')
  },
  'too long an extension changes nothing, in no row': async (bench) => {
    const { contextLength } = bench.stepper
    const [short, long] = [await bench.open(bench.tokens(3)), await bench.open(bench.tokens(4, 1))]
    const rows = [
      { state: short, tokens: bench.tokens(2, 2) },
      { state: long, tokens: bench.tokens(contextLength, 3) },
    ]
    for (const keep of ['append', 'scratch'] as const) {
      await expect(bench.stepper.extend(rows, { keep, logits: 'last' })).rejects.toThrow(ContextError)
    }
    await bench.expectHolds(short, bench.tokens(3), 'the short row')
    await bench.expectHolds(long, bench.tokens(4, 1), 'the long row')
  },
  'tokens outside the vocabulary are refused and change nothing': async (bench) => {
    const state = await bench.open(bench.tokens(4))
    for (const token of [-1, bench.stepper.vocabularySize, 0.5, Number.NaN, 2 ** 32]) {
      await expect(bench.feed(state, [0, token]), `token ${token}`).rejects.toThrow(NextxError)
    }
    await bench.expectHolds(state, bench.tokens(4), 'afterwards')
  },
  'rewinds out of range are refused and change nothing': async (bench) => {
    const state = await bench.open(bench.tokens(4))
    for (const length of [-1, 5, 1.5, Number.NaN]) {
      await expect(bench.stepper.rewind(state, length), `length ${length}`).rejects.toThrow(NextxError)
    }
    await bench.expectHolds(state, bench.tokens(4), 'afterwards')
  },
  'commits of what is no path are refused': async (bench) => {
    const state = await bench.open(bench.tokens(4))
    for (const slots of [[2], [0, 1], [1, 2], [0, 3, 4], [0, 0], [6], [-1], [0.5]]) {
      await bench.scratch(state, bench.tokens(6, 1), treeParents)
      await expect(bench.stepper.commit(state, slots), `slots ${slots}`).rejects.toThrow(NextxError)
    }
    await bench.expectHolds(state, bench.tokens(4), 'afterwards')
  },
  'parents that are no tree, or appended, are refused': async (bench) => {
    const state = await bench.open(bench.tokens(4))
    const tokens = bench.tokens(2, 1)
    const options = { keep: 'scratch', logits: 'all' } as const
    for (const parents of [[-1], [-1, 1], [-2, 0], [-1, 2], [0.5, 0], [-1, 0, 1]]) {
      await expect(bench.stepper.extend([{ state, tokens, parents }], options), `parents ${parents}`).rejects.toThrow(NextxError)
    }
    const appended = bench.stepper.extend([{ state, tokens, parents: [-1, -1] }], { keep: 'append', logits: 'all' })
    await expect(appended).rejects.toThrow(NextxError)
    await bench.expectHolds(state, bench.tokens(4), 'afterwards')
  },
} satisfies Record<string, Case>

const lifetimes = {
  'a closed state is refused everywhere, closing twice is allowed': async (bench) => {
    const state = await bench.open(bench.tokens(4))
    await bench.stepper.close(state)
    await bench.stepper.close(state)
    await expect(bench.feed(state, [0])).rejects.toThrow(DisposedError)
    await expect(bench.scratch(state, [0])).rejects.toThrow(DisposedError)
    await expect(bench.stepper.commit(state, [])).rejects.toThrow(DisposedError)
    await expect(bench.stepper.rewind(state, 0)).rejects.toThrow(DisposedError)
    await expect(bench.stepper.fork(state, 1)).rejects.toThrow(DisposedError)
  },
  'a closed row stops its batch before anything changes': async (bench) => {
    const [open, closed] = [await bench.open(bench.tokens(3)), await bench.open()]
    await bench.stepper.close(closed)
    const rows = [open, closed].map((state) => ({ state, tokens: [0] }))
    await expect(bench.stepper.extend(rows, { keep: 'append', logits: 'last' })).rejects.toThrow(DisposedError)
    await bench.expectHolds(open, bench.tokens(3), 'the open row')
  },
  'closing frees the memory': async (bench) => {
    const before = await memoryOf(bench)
    for (let round = 0; round < 3; round++) {
      const state = await bench.open(bench.tokens(6))
      await bench.scratch(state, bench.tokens(3, 1))
      await bench.fork(state, 2)
      await bench.closeAll()
      expect(await memoryOf(bench), `after round ${round}`).toBe(before)
    }
  },
  'an aborted call changes nothing': async (bench) => {
    const state = await bench.open(bench.tokens(4))
    const signal = AbortSignal.abort()
    await expect(bench.feed(state, [0], { signal })).rejects.toThrow()
    await expect(bench.feed(state, [0], { signal, keep: 'scratch' })).rejects.toThrow()
    await bench.expectHolds(state, bench.tokens(4), 'afterwards')
  },
  'an abort on the way happens wholly or not at all, and frees at once': async (bench) => {
    const before = await memoryOf(bench)
    const [tokens, more] = [bench.tokens(4), bench.tokens(8, 1)]
    const state = await bench.open(tokens)
    const controller = new AbortController()
    const call = bench.feed(state, more, { signal: controller.signal }).then(
      () => [...tokens, ...more],
      () => tokens,
    )
    controller.abort()
    await bench.expectHolds(state, await call, 'afterwards')
    await bench.closeAll()
    expect(await memoryOf(bench)).toBe(before)
  },
} satisfies Record<string, Case>

type StateOf<Bench> = Bench extends StepperBench<infer State> ? State : never

/** 0 where the subject cannot say. */
async function memoryOf<State extends StepperState>(bench: StepperBench<State>): Promise<number> {
  return (await bench.subject.memory?.()) ?? 0
}

/** Everything a stepper promises, by name. A context of at least 24 positions is needed. */
export const stepperCases = { ...cached, ...batches, ...histories, ...scratch, ...refusals, ...lifetimes } satisfies Record<
  string,
  Case
>
export type StepperCase = keyof typeof stepperCases
