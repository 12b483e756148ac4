import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { BusyError, DataError, OptionError } from '../../../src/base/errors.ts'
import { type BatchOutputLine, type BatchProgress, runBatch } from '../../../src/batch/index.ts'
import { ApiError } from '../../../src/serve/api-error.ts'
import { batchLines, stubService } from './stub-service.ts'
import { temporaryFolder } from './temporary-folder.ts'

const linesOf = (path: string) =>
  readFileSync(path, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as BatchOutputLine)

function files(text: string) {
  const path = temporaryFolder()
  const [input, output] = [path('in.jsonl'), path('out.jsonl')]
  writeFileSync(input, text)
  return { input, output }
}

test('one line for each line of the input, in its order, and nothing else is left', async () => {
  const { input, output } = files(batchLines(40, (index) => index % 7 === 3))
  const running = { now: 0, most: 0 }
  const progress: BatchProgress[] = []
  const service = stubService({
    delay: ({ body }) => {
      running.most = Math.max(running.most, ++running.now)
      return JSON.stringify(body).length % 5
    },
    refuse: () => void running.now--,
  })
  const summary = await runBatch({ service, input, output, concurrency: 4, onProgress: (now) => void progress.push(now) })
  const lines = linesOf(output)
  expect(summary).toEqual({ total: 40, done: 40, failed: 6 })
  expect(lines.map(({ custom_id }) => custom_id)).toEqual(Array.from({ length: 40 }, (_, index) => `request-${index}`))
  expect(lines.map(({ response }) => response?.status_code)).toEqual(lines.map((_, index) => (index % 7 === 3 ? 404 : 200)))
  expect(new Set(lines.flatMap(({ id, response }) => [id, response!.request_id])).size).toBe(80)
  expect(lines[3]).toMatchObject({
    response: { body: { error: { code: 'model_not_found', type: 'not_found_error' } } },
    error: null,
  })
  expect(running.most).toBe(4)
  const told = progress.map(({ done }) => done)
  expect(told).toEqual([...told].sort((a, b) => a - b))
  expect([told.length, told[0], told.at(-1)]).toEqual([41, 0, 40])
  expect(readdirSync(dirname(output)).sort()).toEqual(['in.jsonl', 'out.jsonl'])
})

test('a rerun, and any number at once, give the same bytes', async () => {
  const { input, output } = files(batchLines(20))
  const outputs = [output, `${output}2`, `${output}3`]
  for (const [index, path] of outputs.entries())
    await runBatch({ service: stubService({ delay: () => index }), input, output: path, concurrency: 1 + 7 * index })
  const texts = outputs.map((path) => readFileSync(path, 'utf8'))
  expect(texts).toEqual([texts[0], texts[0], texts[0]])
})

test('a request without a seed gets one of its name; one with a seed keeps it', async () => {
  const line = (name: string, more: object) =>
    `${JSON.stringify({ custom_id: name, method: 'POST', url: '/v1/completions', body: { model: 'stub', prompt: 'a', ...more } })}\n`
  const { input, output } = files(line('a', {}) + line('b', {}) + line('c', { seed: 7 }) + line('d', { seed: null }))
  const [first, second] = [stubService(), stubService()]
  await runBatch({ service: first, input, output, concurrency: 1 })
  await runBatch({ service: second, input, output: `${output}2`, concurrency: 1 })
  const seeds = first.calls.map(({ body }) => body.seed as number)
  expect(seeds[2]).toBe(7)
  expect(new Set(seeds).size).toBe(4)
  for (const seed of seeds) expect(seed).toSatisfy((value) => Number.isInteger(value) && value >= 0 && value < 2 ** 31)
  expect(second.calls.map(({ body }) => body.seed)).toEqual(seeds)
})

test('the journal may be cut at every byte: the run goes on from there, to the same output', async () => {
  const { input, output } = files(batchLines(3))
  const stop = new AbortController()
  // The last answer never comes, so that the journal stays with two.
  const hanging = stubService({ delay: ({ body }) => (JSON.stringify(body).includes('are 2') ? 60_000 : 0) })
  const onProgress = ({ done }: BatchProgress) => void (done === 2 && stop.abort(new Error('enough')))
  await expect(runBatch({ service: hanging, input, output, signal: stop.signal, onProgress })).rejects.toThrow('enough')
  const journal = readFileSync(`${output}.part`)
  await runBatch({ service: stubService(), input, output: `${output}.whole` })
  const expected = readFileSync(`${output}.whole`, 'utf8')
  const cutAt = async (kept: number) => {
    const path = `${output}-${kept}`
    writeFileSync(`${path}.part`, journal.subarray(0, kept))
    const service = stubService()
    await runBatch({ service, input, output: path })
    expect(readFileSync(path, 'utf8')).toBe(expected)
    const whole = journal.subarray(0, kept).filter((byte) => byte === 10).length
    expect(service.calls.length).toBe(3 - Math.max(0, whole - 1))
    expect(existsSync(`${path}.part`)).toBe(false)
  }
  expect(journal.filter((byte) => byte === 10).length).toBe(3)
  const width = 16
  for (let first = 0; first <= journal.length; first += width)
    await Promise.all(Array.from({ length: Math.min(width, journal.length + 1 - first) }, (_, i) => cutAt(first + i)))
})

test('any number of interruptions of any batch: the same output as without', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 25 }),
      fc.array(fc.tuple(fc.nat(8), fc.nat(400)), { maxLength: 4 }),
      fc.integer({ min: 1, max: 6 }),
      async (count, stops, concurrency) => {
        const { input, output } = files(batchLines(count, (index) => index % 5 === 0))
        await runBatch({ service: stubService(), input, output: `${output}.whole` })
        for (const [after, cut] of stops) {
          const stop = new AbortController()
          let seen = 0
          const onProgress = () => void (seen++ === after && stop.abort(new Error('stop')))
          await runBatch({ service: stubService(), input, output, concurrency, signal: stop.signal, onProgress }).catch(
            () => undefined,
          )
          if (!existsSync(`${output}.part`)) continue
          const journal = readFileSync(`${output}.part`)
          writeFileSync(`${output}.part`, journal.subarray(0, Math.max(0, journal.length - cut)))
        }
        await runBatch({ service: stubService(), input, output, concurrency })
        expect(readFileSync(output, 'utf8')).toBe(readFileSync(`${output}.whole`, 'utf8'))
      },
    ),
    { numRuns: 12 },
  )
})

test('a crash after the last step: the output is recognised, and not made again', async () => {
  const { input, output } = files(batchLines(5, (index) => index === 1))
  await runBatch({ service: stubService(), input, output })
  const text = readFileSync(output, 'utf8')
  writeFileSync(`${output}.part`, 'what a crash left')
  const service = stubService()
  expect(await runBatch({ service, input, output })).toEqual({ total: 5, done: 5, failed: 1 })
  expect(service.calls).toEqual([])
  expect(readFileSync(output, 'utf8')).toBe(text)
  expect(existsSync(`${output}.part`)).toBe(false)
})

test('what a disk without power left of a line is done again', async () => {
  const { input, output } = files(batchLines(3))
  await runBatch({ service: stubService(), input, output: `${output}.whole` })
  const stop = new AbortController()
  const onProgress = ({ done }: BatchProgress) => void (done === 2 && stop.abort())
  await runBatch({ service: stubService(), input, output, concurrency: 1, signal: stop.signal, onProgress }).catch(() => undefined)
  const [head, , second] = readFileSync(`${output}.part`, 'utf8').split('\n')
  writeFileSync(`${output}.part`, `${head}\n${'\0'.repeat(60)}\n${second}\n`)
  await runBatch({ service: stubService(), input, output })
  expect(readFileSync(output, 'utf8')).toBe(readFileSync(`${output}.whole`, 'utf8'))
})

describe('busy services', () => {
  test.each([429, 503])('%i is tried again', async (status) => {
    const { input, output } = files(batchLines(3))
    let refusals = 2
    const refuse = () => {
      if (refusals-- > 0) throw new ApiError('later', { status, type: 'overloaded_error', code: 'overloaded', retryAfter: 0.01 })
    }
    expect(await runBatch({ service: stubService({ refuse }), input, output })).toMatchObject({ failed: 0 })
  })

  test('BusyError too; what stays busy is said by its line', async () => {
    const { input, output } = files(batchLines(1))
    const service = stubService({
      refuse: () => {
        throw new ApiError('later', { status: 429, type: 'rate_limit_error', code: 'overloaded', retryAfter: 0 })
      },
    })
    expect(await runBatch({ service, input, output, attempts: 2 })).toMatchObject({ failed: 1 })
    expect(service.calls.length).toBe(2)
    expect(linesOf(output)[0]).toMatchObject({ response: { status_code: 429, body: { error: { code: 'overloaded' } } } })
  })

  test('other errors are not, and tell nothing of the inside', async () => {
    const { input, output } = files(batchLines(1))
    const service = stubService({
      refuse: () => {
        throw new TypeError('secret of /home/me')
      },
    })
    await runBatch({ service, input, output })
    expect(service.calls.length).toBe(1)
    expect(linesOf(output)[0]).toMatchObject({ response: { status_code: 500, body: { error: { code: 'internal' } } } })
    expect(readFileSync(output, 'utf8')).not.toContain('secret')
  })
})

test('a stream is refused by its line', async () => {
  const { input, output } = files(batchLines(2).replace('"model":"stub"', '"stream":true,"model":"stub"'))
  const service = stubService()
  await runBatch({ service, input, output })
  expect(linesOf(output)[0]).toMatchObject({ response: { status_code: 422, body: { error: { param: 'stream' } } } })
  expect(service.calls.length).toBe(1)
})

describe('inputs that are refused as a whole, before any request', () => {
  const line = (more: object) =>
    JSON.stringify({ custom_id: 'a', method: 'POST', url: '/v1/completions', body: { model: 'stub' }, ...more })
  test.each([
    ['no line', '', /has no lines/],
    ['no JSON', `${line({})}\n{"custom_id":`, /line 2 of '.*' is not JSON/],
    ['an empty line', `${line({})}\n\n${line({ custom_id: 'b' })}`, /line 2 of '.*' is not JSON/],
    ['no UTF-8', Buffer.from([0xff, 0x0a]), /line 1 of '.*' is not UTF-8/],
    ['a name of a field twice', '{"custom_id": "a", "custom_id": "b"}', /line 1 of '.*' has the key "custom_id" twice/],
    [
      'a deep body',
      line({ body: { a: JSON.parse('['.repeat(80) + ']'.repeat(80)) as unknown } }),
      /line 1 of '.*' is nested deeper than 65/,
    ],
    ['a large body', line({ body: { a: 'x'.repeat(2 ** 22) } }), /line 1 of '.*' is 4194\d+ bytes long/],
    ['no object', '[]\n', /line 1 of '.*': /],
    ['an unknown field', `${line({ extra: 1 })}\n`, /line 1 of '.*': .*"extra"/],
    ['another method', `${line({ method: 'GET' })}\n`, /line 1 of '.*': method/],
    ['another url', `${line({ url: '/v1/models' })}\n`, /line 1 of '.*': url/],
    ['an address', `${line({ url: 'http://localhost/v1/completions' })}\n`, /line 1 of '.*': url/],
    ['an empty name', `${line({ custom_id: '' })}\n`, /line 1 of '.*': custom_id/],
    ['a body that is none', `${line({ body: [] })}\n`, /line 1 of '.*': body/],
    [
      'a name twice',
      `${line({})}\n${line({ custom_id: 'b' })}\n${line({ url: '/v1/embeddings' })}\n`,
      /line 3 of '.*' has the custom_id of line 1/,
    ],
  ])('%s', async (_name, text, message) => {
    const { input, output } = files('')
    writeFileSync(input, text)
    const service = stubService()
    const failure = await runBatch({ service, input, output }).catch((error: unknown) => error)
    expect(failure).toBeInstanceOf(DataError)
    expect((failure as Error).message).toMatch(message)
    expect(service.calls).toEqual([])
    expect(readdirSync(dirname(output))).toEqual(['in.jsonl'])
  })

  test('what the line says stays out of the error', async () => {
    const { input, output } = files('{"custom_id": "a", "body": {"prompt": secret}}')
    await expect(runBatch({ service: stubService(), input, output })).rejects.toThrow(
      /^line 1 of '[^']*' is not JSON; give one JSON object a line$/,
    )
  })
})

test('the last line needs no line break, and a byte order mark says nothing', async () => {
  const { input, output } = files(`\ufeff${batchLines(3).trimEnd()}`)
  expect(await runBatch({ service: stubService(), input, output })).toEqual({ total: 3, done: 3, failed: 0 })
})

test('nothing that is there is overwritten', async () => {
  const { input, output } = files(batchLines(3))
  writeFileSync(output, 'mine')
  await expect(runBatch({ service: stubService(), input, output })).rejects.toThrow(/exists, and is not the output of/)
  expect(readFileSync(output, 'utf8')).toBe('mine')
  writeFileSync(`${output}2.part`, 'mine\n')
  await expect(runBatch({ service: stubService(), input, output: `${output}2` })).rejects.toThrow(/is not the journal of a batch/)
  expect(readFileSync(`${output}2.part`, 'utf8')).toBe('mine\n')
})

test('a batch does not go on with another input', async () => {
  const { input, output } = files(batchLines(3))
  const stop = new AbortController()
  const onProgress = () => stop.abort(new Error('stop'))
  await expect(runBatch({ service: stubService(), input, output, signal: stop.signal, onProgress })).rejects.toThrow('stop')
  writeFileSync(input, batchLines(4))
  await expect(runBatch({ service: stubService(), input, output })).rejects.toThrow(/is the journal of another input/)
})

test('an output has one run at a time', async () => {
  const { input, output } = files(batchLines(2))
  const stop = new AbortController()
  const first = runBatch({ service: stubService({ delay: () => 60_000 }), input, output, signal: stop.signal })
  while (!existsSync(`${output}.part`)) await new Promise((resolve) => setTimeout(resolve, 5))
  await expect(runBatch({ service: stubService(), input, output })).rejects.toBeInstanceOf(BusyError)
  stop.abort(new Error('stop'))
  await expect(first).rejects.toThrow('stop')
  expect(await runBatch({ service: stubService(), input, output })).toMatchObject({ done: 2 })
})

test('options that are none are refused', async () => {
  const { input, output } = files(batchLines(1))
  const wrong = { service: stubService(), input, output, concurency: 3 }
  await expect(runBatch(wrong)).rejects.toBeInstanceOf(OptionError)
  await expect(runBatch({ service: stubService(), input, output, concurrency: 0 })).rejects.toBeInstanceOf(OptionError)
})
