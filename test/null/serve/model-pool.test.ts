import { describe, expect, it } from 'vitest'
import { ApiError } from '../../../src/serve/api-error.ts'
import { type Host, ModelPool, type ModelSource } from '../../../src/serve/model-pool.ts'

const never = new AbortController().signal

interface Log {
  readonly opened: string[]
  readonly closed: string[]
}

function source(name: string, bytes: number, log: Log, open: () => Promise<void> = async () => undefined): ModelSource {
  return {
    name,
    kind: 'text',
    bytes,
    async open() {
      await open()
      log.opened.push(name)
      const host: Host = {
        kind: 'text',
        bytes: () => bytes,
        check: () => [],
        async [Symbol.asyncDispose]() {
          log.closed.push(name)
        },
      }
      return host
    },
  }
}

function newLog(): Log {
  return { opened: [], closed: [] }
}

describe('the pool of models', () => {
  it('loads at the first use, once for all who wait', async () => {
    const log = newLog()
    const pool = new ModelPool([source('a', 1, log)], 10)
    const leases = await Promise.all([pool.use('a', never), pool.use('a', never), pool.use('a', never)])
    expect(log.opened).toEqual(['a'])
    expect(pool.states()[0]!.users).toBe(3)
    for (const lease of leases) for (let i = 0; i < 2; i++) await lease.release()
    expect(pool.states()[0]!.users).toBe(0)
  })

  it('lets the least recently used go when there is no room', async () => {
    const log = newLog()
    const pool = new ModelPool(
      ['a', 'b', 'c'].map((name) => source(name, 4, log)),
      10,
    )
    for (const name of ['a', 'b', 'a', 'c']) await (await pool.use(name, never)).release()
    expect(log).toEqual({ opened: ['a', 'b', 'c'], closed: ['b'] })
  })

  it('keeps what is used, and refuses what then has no room', async () => {
    const log = newLog()
    const pool = new ModelPool(
      ['a', 'b'].map((name) => source(name, 6, log)),
      10,
    )
    const lease = await pool.use('a', never)
    const refusal = await pool.use('b', never).catch((error: unknown) => error)
    expect(refusal).toBeInstanceOf(ApiError)
    expect(refusal).toMatchObject({ status: 503, code: 'model_not_loaded' })
    expect((refusal as ApiError).retryAfter).toBeGreaterThan(0)
    await lease.release()
    await (await pool.use('b', never)).release()
    expect(log).toEqual({ opened: ['a', 'b'], closed: ['a'] })
  })

  it('leaves the loading to others when one who waits goes', async () => {
    const log = newLog()
    let goOn: () => void = () => undefined
    const gate = new Promise<void>((resolve) => {
      goOn = resolve
    })
    const pool = new ModelPool([source('a', 1, log, () => gate)], 10)
    const leaving = new AbortController()
    const gone = pool.use('a', leaving.signal)
    const stays = pool.use('a', never)
    leaving.abort(new Error('gone'))
    await expect(gone).rejects.toThrow('gone')
    goOn()
    await (await stays).release()
    expect(log.opened).toEqual(['a'])
    expect(pool.states()[0]!.users).toBe(0)
  })

  it('tries again after a load that failed', async () => {
    const log = newLog()
    let tries = 0
    const failing = async () => {
      if (++tries === 1) throw new Error('disk')
    }
    const pool = new ModelPool([source('a', 1, log, failing)], 10)
    await expect(pool.use('a', never)).rejects.toThrow('disk')
    expect(pool.states()[0]!.users).toBe(0)
    await (await pool.use('a', never)).release()
    expect(log.opened).toEqual(['a'])
  })

  it('names what there is not', async () => {
    const pool = new ModelPool([source('a', 1, newLog())], 10)
    await expect(pool.use('b', never)).rejects.toMatchObject({ status: 404, code: 'model_not_found', param: 'model' })
  })

  it('closes all', async () => {
    const log = newLog()
    const pool = new ModelPool(
      ['a', 'b'].map((name) => source(name, 1, log)),
      10,
    )
    for (const name of ['a', 'b']) await pool.use(name, never)
    await pool[Symbol.asyncDispose]()
    expect(log.closed).toEqual(['a', 'b'])
    await expect(pool.use('a', never)).rejects.toMatchObject({ status: 503 })
  })
})
