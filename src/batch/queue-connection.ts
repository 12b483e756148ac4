import type * as BullMQ from 'bullmq'
import type * as IoRedis from 'ioredis'
import { NextxError, OptionError, RuntimeError } from '../base/errors.ts'
import { unlessAborted } from '../base/unless-aborted.ts'
import type { BatchQueue, Notice } from './queue-address.ts'

/** The packages that the queue needs, and how to open connections that wait for a Redis that is away. */
export interface QueueConnection extends AsyncDisposable {
  readonly bullmq: typeof BullMQ
  readonly client: IoRedis.Redis
  readonly name: string
  /** Another connection to the same Redis, closed with this one. */
  another(): IoRedis.Redis
}

const install = 'install them with `npm install bullmq@6.7.0 ioredis@5.11.1`'

/**
 * Connects to Redis.
 * @throws OptionError on a URL that is none of Redis; RuntimeError when the packages are not installed, or Redis does not answer in time.
 */
export async function connectQueue(
  { url, name = 'nextx-batch', connectTime = 5000 }: BatchQueue,
  { signal, onNotice = () => undefined }: { readonly signal: AbortSignal; readonly onNotice?: Notice | undefined },
): Promise<QueueConnection> {
  const place = placeOf(url)
  const { bullmq, ioredis } = await loadPackages()
  let state: 'starting' | 'on' | 'lost' = 'starting'
  const client = new ioredis.Redis(url, {
    lazyConnect: true,
    connectTimeout: connectTime,
    // Commands wait for a Redis that is away, once it was there.
    maxRetriesPerRequest: null,
    retryStrategy: (tries) => (state === 'starting' ? null : Math.min(100 * tries, 2000)),
  })
  const others: IoRedis.Redis[] = []
  // The errors themselves may quote commands with the password.
  client.on('error', () => undefined)
  client.on('close', () => {
    if (state !== 'on') return
    state = 'lost'
    onNotice(`the connection to Redis at ${place} is lost; waiting for it`)
  })
  client.on('ready', () => {
    if (state === 'lost') onNotice(`Redis at ${place} is back`)
    state = 'on'
  })
  try {
    await reach(client, { place, connectTime, signal })
  } catch (error) {
    client.disconnect()
    throw error
  }
  return {
    bullmq,
    client,
    name,
    another() {
      const other = client.duplicate({ lazyConnect: false })
      other.on('error', () => undefined)
      others.push(other)
      return other
    },
    async [Symbol.asyncDispose]() {
      state = 'starting'
      for (const connection of [client, ...others]) connection.disconnect()
    },
  }
}

/** Host and port, without user and password. */
function placeOf(url: string): string {
  const parsed = URL.canParse(url) ? new URL(url) : undefined
  // The URL itself stays out of the message, for it may hold a password.
  if (parsed === undefined || !/^rediss?:$/.test(parsed.protocol) || parsed.hostname === '')
    throw new OptionError('the URL of the queue is not one of Redis', { expected: 'redis://host:port or rediss://host:port' })
  return `${parsed.hostname}:${parsed.port === '' ? 6379 : parsed.port}`
}

async function loadPackages(): Promise<{ bullmq: typeof BullMQ; ioredis: typeof IoRedis }> {
  try {
    const [bullmq, ioredis] = await Promise.all([import('bullmq'), import('ioredis')])
    return { bullmq, ioredis }
  } catch (cause) {
    throw new RuntimeError('batches over Redis need the packages bullmq and ioredis', { fix: install, cause })
  }
}

interface Reach {
  readonly place: string
  readonly connectTime: number
  readonly signal: AbortSignal
}

async function reach(client: IoRedis.Redis, { place, connectTime, signal }: Reach): Promise<void> {
  const late = new AbortController()
  const timer = setTimeout(() => late.abort(unreachable(place, `no answer in ${connectTime} ms`)), connectTime)
  let problem = ''
  const note = (error: Error): void => {
    problem = reasonOf(error)
  }
  client.on('error', note)
  try {
    await unlessAborted(unlessAborted(answered(client), late.signal), signal)
  } catch (error) {
    if (signal.aborted || error instanceof NextxError) throw error
    throw unreachable(place, problem || reasonOf(error))
  } finally {
    clearTimeout(timer)
    client.off('error', note)
  }
}

async function answered(client: IoRedis.Redis): Promise<void> {
  await client.connect()
  await client.ping()
}

function unreachable(place: string, reason: string): RuntimeError {
  return new RuntimeError(`cannot reach Redis at ${place}: ${reason}`, { fix: 'check the URL, and that Redis runs there' })
}

/** What the system or Redis calls it, such as ECONNREFUSED or WRONGPASS; never more, for the rest may quote what was sent. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown'
  if ('code' in error && typeof error.code === 'string') return error.code
  return /^[A-Z]{4,}\b/.exec(error.message)?.[0] ?? error.name
}
