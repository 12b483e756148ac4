import type { ChildProcess } from 'node:child_process'
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { setTimeout as wait } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { describe, expect, onTestFinished, test } from 'vitest'
import { OptionError, RuntimeError } from '../../../src/base/errors.ts'
import { queueBatch, runBatch, workOnBatches } from '../../../src/batch/index.ts'
import type { BatchProcessSettings } from './batch-process.ts'
import { redisMissing, redisServer } from './redis-server.ts'
import { exitOf, spawnScript } from './spawn-script.ts'
import { batchLines, stubService } from './stub-service.ts'
import { temporaryFolder } from './temporary-folder.ts'

const missing = redisMissing()
if (missing !== undefined) console.warn(`tests of batches over Redis are skipped: ${missing}`)

async function startRedis(settings: readonly string[] = []) {
  const redis = await redisServer(settings)
  onTestFinished(() => redis.kill())
  await redis.start()
  return redis
}

async function batchFiles(count: number, wrong?: (index: number) => boolean) {
  const path = temporaryFolder()
  const files = { input: path('in.jsonl'), output: path('out.jsonl') }
  writeFileSync(files.input, batchLines(count, wrong))
  await runBatch({ service: stubService(), input: files.input, output: path('embedded.jsonl') })
  return { ...files, expected: readFileSync(path('embedded.jsonl'), 'utf8') }
}

function start(settings: BatchProcessSettings): ChildProcess {
  const child = spawnScript('batch-process.ts', settings)
  onTestFinished(() => void child.kill('SIGKILL'))
  return child
}

function linesIn(path: string): number {
  return existsSync(path) ? readFileSync(path, 'utf8').split('\n').length - 1 : 0
}

/** A worker of this process. */
function startWorker(url: string, delay = 0) {
  const stop = new AbortController()
  const service = stubService({ delay: () => delay })
  const times = { lockTime: 600, stalledInterval: 300 }
  const done = workOnBatches({ service, queue: { url }, concurrency: 3, ...times, signal: stop.signal })
  onTestFinished(() => stop.abort())
  return { service, stop: () => stop.abort(new Error('stop')), done }
}

async function jobsLeft(url: string): Promise<string[]> {
  const client = new Redis(url)
  try {
    return (await client.keys('bull:nextx-batch:*')).filter((key) => /[0-9a-f]{12}-\d+$/.test(key))
  } finally {
    client.disconnect()
  }
}

describe.skipIf(missing !== undefined)('batches over Redis', () => {
  test('three workers that are killed in turn, and the collector too: no line lost or doubled, equal to the output without Redis', {
    timeout: 120_000,
  }, async () => {
    const { url } = await startRedis()
    const { input, output, expected } = await batchFiles(150, (index) => index % 11 === 0)
    const work = () => start({ role: 'work', url, delay: 100 })
    const collect = () => start({ role: 'collect', url, input, output })
    const workers = [work(), work(), work()]
    let [collector, kills] = [collect(), 0]
    // By lines, not by seconds: on a busy machine a process may need seconds to begin.
    while (!existsSync(output)) {
      const before = linesIn(`${output}.part`)
      while (!existsSync(output) && linesIn(`${output}.part`) < before + 20) await wait(5)
      workers[kills % 3]!.kill('SIGKILL')
      workers[kills % 3] = work()
      if (kills++ % 4 !== 2) continue
      collector.kill('SIGKILL')
      await exitOf(collector)
      collector = collect()
    }
    expect(await exitOf(collector)).toBe(0)
    expect(kills).toBeGreaterThan(4)
    expect(readFileSync(output, 'utf8')).toBe(expected)
    expect(await jobsLeft(url)).toEqual([])
  })

  test('Redis dies midway and comes back with nothing: the batch goes on', async () => {
    const redis = await startRedis()
    const { input, output, expected } = await batchFiles(60)
    const worker = startWorker(redis.url, 30)
    const notices: string[] = []
    const batch = queueBatch({
      queue: { url: redis.url },
      input,
      output,
      window: 20,
      sweepInterval: 200,
      onNotice: (text) => void notices.push(text),
    })
    while (!existsSync(`${output}.part`) || statSync(`${output}.part`).size < 4000) await wait(5)
    await redis.kill()
    await wait(300)
    await redis.start()
    expect(await batch).toEqual({ total: 60, done: 60, failed: 0 })
    expect(readFileSync(output, 'utf8')).toBe(expected)
    expect(notices).toEqual([
      `the connection to Redis at 127.0.0.1:${redis.port} is lost; waiting for it`,
      `Redis at 127.0.0.1:${redis.port} is back`,
    ])
    worker.stop()
    expect(await worker.done).toBeGreaterThanOrEqual(60)
  })

  test('a worker that is stopped gives its lines back at once', async () => {
    const { url } = await startRedis()
    const { input, output, expected } = await batchFiles(4)
    const slow = startWorker(url, 60_000)
    const notices: string[] = []
    const onNotice = (text: string) => void notices.push(text)
    const batch = queueBatch({ queue: { url }, input, output, sweepInterval: 50, onNotice })
    while (slow.service.calls.length < 3) await wait(5)
    slow.stop()
    expect(await slow.done).toBe(0)
    while (notices.length === 0) await wait(5)
    const quick = startWorker(url)
    await batch
    expect(quick.service.calls.length).toBe(4)
    expect(notices).toEqual(["nobody works on the queue; start workers with 'nextx batch-worker'"])
    expect(readFileSync(output, 'utf8')).toBe(expected)
  })

  test('a collector that is stopped goes on later, and asks for nothing twice', async () => {
    const { url } = await startRedis()
    const { input, output, expected } = await batchFiles(30)
    const stop = new AbortController()
    const worker = startWorker(url, 10)
    const onProgress = ({ done }: { done: number }) => void (done > 4 && stop.abort(new Error('stop')))
    await expect(queueBatch({ queue: { url }, input, output, onProgress, signal: stop.signal })).rejects.toThrow('stop')
    await queueBatch({ queue: { url }, input, output })
    expect(readFileSync(output, 'utf8')).toBe(expected)
    expect(worker.service.calls.length).toBe(30)
    expect(await jobsLeft(url)).toEqual([])
  })

  test('a request that its workers die over is answered with an error, and the others go on', async () => {
    const { url } = await startRedis()
    const { input, output } = await batchFiles(2)
    const batch = queueBatch({ queue: { url }, input, output })
    const poisoned = 'How many are 0 '
    while (!existsSync(output)) {
      // One at a time: a death counts for everything that was under way.
      const worker = start({ role: 'work', url, poisoned, mostDeaths: 1, concurrency: 1 })
      await Promise.race([exitOf(worker), batch])
    }
    expect(await batch).toEqual({ total: 2, done: 2, failed: 1 })
    const [first, second] = readFileSync(output, 'utf8').split('\n')
    expect(JSON.parse(first!)).toMatchObject({
      custom_id: 'request-0',
      response: null,
      error: { code: 'worker_failed', message: 'every worker that took this request died over it' },
    })
    expect(JSON.parse(second!)).toMatchObject({ response: { status_code: 200 }, error: null })
  })

  test('two batches share workers, even of the same input', async () => {
    const { url } = await startRedis()
    const { input, output, expected } = await batchFiles(20)
    startWorker(url)
    const outputs = [output, `${output}2`]
    await Promise.all(outputs.map((path) => queueBatch({ queue: { url }, input, output: path })))
    expect(outputs.map((path) => readFileSync(path, 'utf8'))).toEqual([expected, expected])
  })

  test('what is no line of a batch, and results that are none, harm nobody', async () => {
    const { url } = await startRedis()
    const { input, output } = await batchFiles(2)
    const { Queue, Worker } = await import('bullmq')
    const connection = new Redis(url, { maxRetriesPerRequest: null })
    onTestFinished(() => connection.disconnect())
    const worker = startWorker(url)
    const queue = new Queue('nextx-batch', { connection })
    const job = await queue.add('line', { url: 'file:///etc/passwd', body: 'x' })
    while (!(await job.isFailed())) await wait(5)
    expect(worker.service.calls).toEqual([])
    worker.stop()
    await worker.done
    const forger = new Worker('nextx-batch', async () => ({ status: 'fine' }), { connection })
    onTestFinished(() => void forger.close(true).catch(() => undefined))
    expect(await queueBatch({ queue: { url }, input, output })).toEqual({ total: 2, done: 2, failed: 2 })
    expect(readFileSync(output, 'utf8')).toContain('"response":null,"error":{"code":"bad_result"')
    await forger.close(true)
  })

  test('a wrong password is said, and no password is', async () => {
    const { port } = await startRedis(['--requirepass', 'right-secret'])
    const { input, output, expected } = await batchFiles(2)
    for (const url of [`redis://127.0.0.1:${port}`, `redis://:wrong-secret@127.0.0.1:${port}`]) {
      const failure = await queueBatch({ queue: { url }, input, output }).catch((error: unknown) => error)
      expect(failure).toBeInstanceOf(RuntimeError)
      expect((failure as Error).message).toMatch(/^cannot reach Redis at 127\.0\.0\.1:\d+: (NOAUTH|WRONGPASS)/)
      expect(JSON.stringify(failure, Object.getOwnPropertyNames(failure))).not.toContain('secret')
    }
    const url = `redis://:right-secret@127.0.0.1:${port}`
    startWorker(url)
    await queueBatch({ queue: { url }, input, output })
    expect(readFileSync(output, 'utf8')).toBe(expected)
  })
})

test('no Redis at the start: an error, soon', async () => {
  const { input, output } = await batchFiles(1)
  const queue = { url: 'redis://user:secret@127.0.0.1:1' }
  await expect(queueBatch({ queue, input, output })).rejects.toThrow(
    /^cannot reach Redis at 127\.0\.0\.1:1: ECONNREFUSED; check the URL/,
  )
  const signal = new AbortController().signal
  await expect(workOnBatches({ service: stubService(), queue, signal })).rejects.toThrow(RuntimeError)
})

test('URLs that are none of Redis are refused, unseen', async () => {
  const { input, output } = await batchFiles(1)
  for (const url of ['http://secret@localhost', 'secret', 'redis:///secret', 'redis://']) {
    const failure = await queueBatch({ queue: { url }, input, output }).catch((error: unknown) => error)
    expect(failure).toBeInstanceOf(OptionError)
    expect((failure as Error).message).not.toContain('secret')
  }
})
