import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Ajv } from 'ajv'
import OpenAI, { UnprocessableEntityError } from 'openai'
import { PNG } from 'pngjs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readSeries } from '../../../src/data/index.ts'
import { openDevice, packageData } from '../../../src/platform/index.ts'
import { openServer, openService, type Server, type Service } from '../../../src/serve/index.ts'
import { fitForecaster, loadModel, scoreText } from '../../../src/systems/index.ts'

const template = '{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}assistant:'
const month = (i: number) => `2020-${String(i + 1).padStart(2, '0')}`
const history = Array.from({ length: 12 }, (_, i) => ({ ds: month(i), y: 10 + i + (i % 3) }))

let folder: string
let service: Service
let server: Server
let client: OpenAI

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'nextx-served-'))
  const { frame } = await readSeries(history)
  await using forecaster = await fitForecaster(frame, { model: 'drift', horizon: 3 })
  await writeFile(join(folder, 'sales.json'), JSON.stringify(forecaster))
  service = await openService({
    models: [
      { name: 'stories', path: packageData('stories260K') },
      { name: 'garments', path: packageData('garments') },
      { name: 'sales', path: join(folder, 'sales.json') },
    ],
    chatTemplate: template,
    threads: 1,
  })
  await service.warmUp()
  server = await openServer(service, { port: 0, processMetrics: false })
  client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'none', maxRetries: 0 })
})

afterAll(async () => {
  await server[Symbol.asyncDispose]()
  await service[Symbol.asyncDispose]()
  await rm(folder, { recursive: true })
})

const messages = [{ role: 'user' as const, content: 'Who is there?' }]
const person = {
  type: 'object',
  properties: {
    name: { type: 'string', maxLength: 20 },
    age: { type: 'integer', minimum: 0, maximum: 120 },
    pets: { type: 'array', items: { enum: ['cat', 'dog'] }, maxItems: 2 },
  },
  required: ['name', 'age', 'pets'],
  additionalProperties: false,
}
const isPerson = new Ajv({ strict: false }).compile(person)

async function post(path: string, body: object): Promise<{ status: number; body: unknown }> {
  const response = await fetch(server.url + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  return { status: response.status, body: await response.json() }
}

describe('the openai client and the embedded models', () => {
  it('talk in the form that a schema asks for, whatever the seed', async () => {
    for (let seed = 0; seed < 5; seed++) {
      const { choices } = await client.chat.completions.create({
        model: 'stories',
        messages,
        seed,
        response_format: { type: 'json_schema', json_schema: { name: 'person', schema: person } },
      })
      expect(choices[0]!.finish_reason).toBe('stop')
      expect(isPerson(JSON.parse(choices[0]!.message.content!)), choices[0]!.message.content!).toBe(true)
    }
    const response = await client.responses.create({
      model: 'stories',
      input: 'Who?',
      store: false,
      text: { format: { type: 'json_schema', name: 'person', schema: person } },
    })
    expect(isPerson(JSON.parse(response.output_text))).toBe(true)
  })

  it('call tools with arguments that are valid', async () => {
    const tools = [
      { type: 'function' as const, function: { name: 'introduce', parameters: person } },
      { type: 'function' as const, function: { name: 'leave' } },
    ]
    for (const tool_choice of ['required', { type: 'function', function: { name: 'introduce' } }] as const) {
      const { choices } = await client.chat.completions.create({ model: 'stories', messages, tools, tool_choice, seed: 3 })
      expect(choices[0]!.finish_reason).toBe('tool_calls')
      const [call] = choices[0]!.message.tool_calls!
      if (call?.type !== 'function') throw new Error('no call')
      const given: unknown = JSON.parse(call.function.arguments)
      if (call.function.name === 'introduce') expect(isPerson(given)).toBe(true)
      else expect(given).toEqual({})
    }
    const streamed = await client.chat.completions
      .stream({ model: 'stories', messages, tools, tool_choice: 'required', seed: 3 })
      .finalChatCompletion()
    expect(streamed.choices[0]!.message.tool_calls).toHaveLength(1)
  })

  it('refuse schemas that cannot be kept, by name', async () => {
    const wrong = client.chat.completions.create({
      model: 'stories',
      messages,
      response_format: { type: 'json_schema', json_schema: { name: 'odd', schema: { type: 'object', dependentRequired: {} } } },
    })
    const error = await wrong.catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(UnprocessableEntityError)
    expect((error as UnprocessableEntityError).message).toContain('dependentRequired')
    expect((error as UnprocessableEntityError).param).toBe('response_format')
  })

  it('hold to expressions, choices and grammars', async () => {
    const said = async (form: object) => {
      const { body } = await post('/v1/completions', { model: 'stories', prompt: 'Once', seed: 2, max_tokens: 60, ...form })
      return (body as { choices: [{ text: string }] }).choices[0].text
    }
    expect(await said({ regex: '[0-9]{2}:[0-5][0-9]' })).toMatch(/^[0-9]{2}:[0-5][0-9]$/)
    expect(['yes', 'no']).toContain(await said({ choices: ['yes', 'no'] }))
    expect(await said({ grammar: 'root ::= "a" ("b" | "c") "d"' })).toMatch(/^a[bc]d$/)
  })

  it('draw pictures, the same for a seed', async () => {
    const body = { model: 'garments', prompt: 'dress', n: 2, seed: 5 } as const
    const [first, second] = [await client.images.generate(body as never), await client.images.generate(body as never)]
    expect(first.data).toHaveLength(2)
    expect(first.data).toEqual(second.data)
    const picture = PNG.sync.read(Buffer.from(first.data![0]!.b64_json!, 'base64'))
    expect([picture.width, picture.height]).toEqual([28, 28])
    expect((await post('/v1/images/generations', { ...body, prompt: 'a red hat' })).status).toBe(422)
    expect((await post('/v1/images/generations', { ...body, size: '28x28' })).status).toBe(200)
    expect(await post('/v1/images/generations', { ...body, size: '56x56' })).toMatchObject({
      status: 422,
      body: { error: { param: 'size' } },
    })
    expect((await post('/v1/images/generations', { ...body, response_format: 'url' })).status).toBe(422)
  })

  it('forecast what a saved forecaster says of a history', async () => {
    const series = [{ id: 'shop', timestamps: history.map(({ ds }) => ds), values: history.map(({ y }) => y) }]
    const { status, body } = await post('/v1/forecasts', { model: 'sales', series, horizon: 2, levels: [] })
    expect(status).toBe(200)
    const [{ mean, timestamps }] = (body as { data: [{ mean: number[]; timestamps: string[] }] }).data
    // The line from the first value to the last, gone on.
    const slope = (history.at(-1)!.y - history[0]!.y) / 11
    expect(mean).toEqual([1, 2].map((step) => expect.closeTo(history.at(-1)!.y + step * slope, 9)))
    expect(timestamps).toEqual(['2021-01-01', '2021-02-01'])
    expect((await post('/v1/forecasts', { model: 'sales', series: [{ ...series[0], values: [1] }] })).status).toBe(422)
    const stranger = await post('/v1/forecasts', { model: 'sales', series: [{ ...series[0], id: 'other' }] })
    expect(stranger).toMatchObject({ status: 200, body: { data: [{ id: 'other', intervals: [] }] } })
  })

  it('score texts as the library does', async () => {
    const text = 'Once upon a time, there was a little girl.'
    const { body } = await post('/v1/score', { model: 'stories', input: text })
    const [{ logprob, bits_per_byte }] = (body as { data: [{ logprob: number; bits_per_byte: number }] }).data
    await using device = await openDevice({ threads: 1, worker: false })
    await using model = await loadModel(packageData('stories260K'), { device })
    const expected = await scoreText(model, text)
    expect(logprob).toBeCloseTo(expected.logProb, 4)
    expect(bits_per_byte).toBeCloseTo(expected.bitsPerByte, 6)
    const parts = await post('/v1/score', { model: 'stories', input: { prompt: 'Once upon a time', continuation: text.slice(16) } })
    const start = await scoreText(model, 'Once upon a time')
    const [rest] = (parts.body as { data: [{ logprob: number; bytes: number }] }).data
    expect(rest.logprob).toBeCloseTo(expected.logProb - start.logProb, 4)
    expect(rest.bytes).toBe(text.length - 16)
  })

  it('name models of the wrong kind', async () => {
    for (const [path, body] of [
      ['/v1/completions', { model: 'garments', prompt: 'a' }],
      ['/v1/images/generations', { model: 'stories' }],
      ['/v1/forecasts', { model: 'stories', series: [{ timestamps: ['2020-01'], values: [1] }] }],
    ] as const)
      expect(await post(path, body)).toMatchObject({ status: 422, body: { error: { code: 'wrong_model_kind', param: 'model' } } })
  })
})
