import { describe, expect, it } from 'vitest'
import { DisposedError, LimitError, RuntimeError } from '../../../src/base/errors.ts'
import type { GrammarHost, GrammarSource } from '../../../src/grammars/grammar-host.ts'
import { openGrammarCompiler } from '../../../src/grammars/index.ts'
import { openLibraryHost } from '../../../src/grammars/library-host.ts'
import { WorkerHost } from '../../../src/grammars/worker-host.ts'
import type { HostRequest } from '../../../src/grammars/worker-protocol.ts'
import { packError } from '../../../src/platform/error-border.ts'
import type { ThreadEvents, WorkerThread } from '../../../src/platform/worker-thread.ts'
import { tokenizers, write } from './write.ts'

const tokenizer = tokenizers.bytes()

/** Takes seconds to compile. */
const slow = { kind: 'choice', choices: Array.from({ length: 2500 }, (_, i) => (i * 7919).toString(36)) } as const

describe('grammars in a thread', () => {
  it('write what grammars in this thread write', async () => {
    await using there = await openGrammarCompiler({ tokenizer })
    await using here = await openGrammarCompiler({ tokenizer, worker: false })
    const schema = { type: 'object', properties: { name: { type: 'string' }, ages: { type: 'array', items: { type: 'integer' } } } }
    const spec = { kind: 'json-schema', schema } as const
    for (let seed = 0; seed < 5; seed++) {
      const [a, b] = await Promise.all([there, here].map(async (grammars) => write(tokenizer, await grammars.compile(spec), seed)))
      expect(a).toEqual(b)
    }
    expect(await there.handles()).toEqual({ grammars: 1, matchers: 0 })
  })

  it('end with their disposal', async () => {
    const grammars = await openGrammarCompiler({ tokenizer })
    const constraint = await grammars.compile({ kind: 'json' })
    const state = await constraint.open()
    const compiling = grammars.compile(slow)
    await Promise.all([grammars[Symbol.asyncDispose](), expect(compiling).rejects.toThrow(DisposedError)])
    await expect(state.allowed()).rejects.toThrow(DisposedError)
    await state.close()
    await expect(constraint.open()).rejects.toThrow(DisposedError)
    await expect(grammars.compile({ kind: 'json' })).rejects.toThrow(DisposedError)
  })

  it('hear an abort while they compile', async () => {
    await using grammars = await openGrammarCompiler({ tokenizer })
    const controller = new AbortController()
    const compiling = grammars.compile(slow, { signal: controller.signal })
    controller.abort(new Error('enough'))
    await expect(compiling).rejects.toThrow('enough')
    await expect(grammars.compile({ kind: 'json' }, { signal: AbortSignal.abort(new Error('before')) })).rejects.toThrow('before')
  })
})

const endless: GrammarSource = { kind: 'rules', text: 'never answered' }
const fatal: GrammarSource = { kind: 'rules', text: 'ends the thread' }
const letters: GrammarSource = { kind: 'rules', text: 'root ::= [a-c] [a-c] [a-c]' }
const bytes = Uint8Array.from([97, 98, 99])
const vocabulary = { size: 4, bytes, ends: Uint32Array.of(1, 2, 3, 3), endTokens: [3] }

/** Threads that do one call after the other, as far as they answer. */
class FakeThreads {
  opened = 0
  readonly open = (events: ThreadEvents): WorkerThread => {
    this.opened++
    const host = openLibraryHost(vocabulary, 4)
    let alive = true
    let last: Promise<unknown> = host
    const answer = async ({ id, method, args }: HostRequest): Promise<void> => {
      const [source] = args
      if (source === endless) await new Promise(() => undefined)
      if (source === fatal) throw events.ended(new RuntimeError('the thread is gone'))
      const call =
        method === 'begin'
          ? Promise.resolve()
          : ((await host)[method] as (...given: readonly unknown[]) => Promise<unknown>)(...args)
      const reply = await call.then((value) => ({ id, value })).catch((error: unknown) => ({ id, error: packError(error) }))
      if (alive) events.message(reply)
    }
    return {
      post: (message) => {
        last = last.then(() => answer(message as HostRequest))
        last.catch(() => undefined)
      },
      hold: () => undefined,
      letGo: () => undefined,
      terminate: async () => {
        alive = false
        await (await host)[Symbol.asyncDispose]()
      },
    }
  }
}

describe('a thread that does not answer, or ends', () => {
  async function withStates(test: (host: GrammarHost, threads: FakeThreads) => Promise<void>): Promise<void> {
    const threads = new FakeThreads()
    await using host = new WorkerHost(threads.open, { compile: 500, token: 500 })
    await host.ready
    await host.open(0, letters, [])
    expect(await host.advance(0, 2)).toBe('open')
    await test(host, threads)
    expect(threads.opened).toBe(2)
    // Where it was, in another thread.
    expect([...(await host.allowed(0))]).toEqual([0b111])
    expect(await host.advance(0, 3)).toBe('refused')
    expect(await host.advance(0, 1)).toBe('open')
    expect(await host.advance(0, 1)).toBe('finished')
    await host.close(0)
    expect((await host.handles()).matchers).toBe(0)
  }

  it('loses the call that it was at, and nothing else', async () => {
    await withStates(async (host) => {
      const outcomes = await Promise.allSettled([
        host.compile(endless),
        host.allowed(0),
        host.open(1, letters, []),
        host.compile(letters),
      ])
      expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'fulfilled', 'fulfilled', 'fulfilled'])
      expect(outcomes[0]).toMatchObject({ reason: expect.any(LimitError) })
      await host.close(1)
    })
    await withStates(async (host) => {
      await expect(host.compile(fatal)).rejects.toThrow(RuntimeError)
    })
    await withStates(async (host) => {
      await expect(host.compile({ kind: 'rules', text: 'no rules' })).rejects.toThrow(RuntimeError)
    })
  })

  it('loses a state that it cannot open', async () => {
    await withStates(async (host) => {
      const outcomes = await Promise.allSettled([host.open(7, endless, []), host.allowed(0)])
      expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'fulfilled'])
      await expect((async () => host.allowed(7))()).rejects.toThrow(DisposedError)
    })
  })

  it('has no successor when it never began', async () => {
    let opened = 0
    const open = (events: ThreadEvents): WorkerThread => {
      opened++
      setTimeout(() => events.ended(new RuntimeError('no such file')))
      return { post: () => undefined, hold: () => undefined, letGo: () => undefined, terminate: async () => undefined }
    }
    const host = new WorkerHost(open, { compile: 500, token: 500 })
    await expect(host.ready).rejects.toThrow('no such file')
    await expect(host.compile(letters)).rejects.toThrow('no such file')
    expect(opened).toBe(1)
  })
})
