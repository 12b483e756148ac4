import { Ajv2020 } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { OptionError } from '../../../src/base/errors.ts'
import { type GrammarCompiler, openGrammarCompiler } from '../../../src/grammars/index.ts'
import { tokenizers, write } from './write.ts'

const tokenizer = tokenizers.bytes()
let grammars: GrammarCompiler

beforeAll(async () => {
  grammars = await openGrammarCompiler({ tokenizer, worker: false })
})
afterAll(async () => {
  await grammars[Symbol.asyncDispose]()
})

/** Written with some seeds; those that come to an end. */
async function samples(schema: unknown, count = 6, most = 600): Promise<unknown[]> {
  const constraint = await grammars.compile({ kind: 'json-schema', schema })
  const values: unknown[] = []
  for (let seed = 0; seed < count; seed++) {
    const { text, finish } = await write(tokenizer, constraint, seed, { most })
    if (finish !== 'length') values.push(JSON.parse(text))
  }
  expect(values.length).toBeGreaterThan(0)
  return values
}

function expectValid(schema: object, values: readonly unknown[]) {
  const ajv = new Ajv2020({ strict: false, logger: false })
  addFormats.default(ajv)
  const validate = ajv.compile(schema)
  for (const value of values) expect([value, validate(value), validate.errors]).toEqual([value, true, null])
}

/** Each as zod 4 writes it: a format beside its own pattern. */
const zodTypes: Readonly<Record<string, z.ZodType>> = {
  email: z.email(),
  'email of a length': z.email().min(5).max(50),
  'html5 email': z.email({ pattern: z.regexes.html5Email }),
  'unicode email': z.email({ pattern: z.regexes.unicodeEmail }),
  uuid: z.uuid(),
  uuidv4: z.uuidv4(),
  uuidv6: z.uuidv6(),
  uuidv7: z.uuidv7(),
  guid: z.guid(),
  url: z.url(),
  'url of a length': z.url().max(2083),
  hostname: z.hostname(),
  nanoid: z.nanoid(),
  cuid: z.cuid(),
  cuid2: z.cuid2(),
  ulid: z.ulid(),
  xid: z.xid(),
  ksuid: z.ksuid(),
  ipv4: z.ipv4(),
  ipv6: z.ipv6(),
  mac: z.mac(),
  cidrv4: z.cidrv4(),
  cidrv6: z.cidrv6(),
  base64url: z.base64url(),
  hex: z.hex(),
  sha256: z.hash('sha256'),
  e164: z.e164(),
  date: z.iso.date(),
  time: z.iso.time(),
  datetime: z.iso.datetime(),
  'datetime with offset': z.iso.datetime({ offset: true }),
  'local datetime': z.iso.datetime({ local: true }),
  'datetime of a precision': z.iso.datetime({ precision: 3 }),
  duration: z.iso.duration(),
  lowercase: z.string().lowercase(),
  'pattern that is long enough': z
    .string()
    .regex(/^[a-z]{2,5}$/)
    .min(1)
    .max(5),
  'pattern that is cut': z
    .string()
    .regex(/^[a-z]+(?:_|-\d*)x$/)
    .max(9),
  'search that is cut': z.string().regex(/ab+/).max(9),
  record: z.record(z.string(), z.number()),
  'record of names': z.record(z.enum(['a', 'b']), z.boolean()),
  'partial record': z.partialRecord(z.enum(['a', 'b']), z.boolean()),
}

describe('schemas that zod writes', () => {
  it.each(Object.entries(zodTypes))('%s: what is written is valid, for Ajv and for zod', { timeout: 30_000 }, async (_, type) => {
    const schema = z.toJSONSchema(type)
    const values = await samples(schema)
    expectValid(schema, values)
    for (const value of values) expect([value, type.safeParse(value).success]).toEqual([value, true])
  })
})

it('an object of many such properties is within the limits', async () => {
  const shape = {
    id: z.uuidv7(),
    mail: z.email(),
    at: z.iso.datetime(),
    on: z.iso.date(),
    url: z.url(),
    host: z.hostname(),
    ip: z.ipv6(),
  }
  const type = z.object({ list: z.array(z.object(shape)).min(1).max(2), ...shape, other: z.object(shape).partial() })
  const values = await samples(z.toJSONSchema(type), 2, 4000)
  for (const value of values) expect([value, type.safeParse(value).success]).toEqual([value, true])
})

/** As pydantic 2 writes them. */
const pydanticSchemas: Readonly<Record<string, object>> = {
  Path: { format: 'path', type: 'string' },
  SecretStr: { format: 'password', type: 'string', writeOnly: true },
  bytes: { format: 'binary', type: 'string' },
  HttpUrl: { format: 'uri', maxLength: 2083, minLength: 1, type: 'string' },
  EmailStr: { format: 'email', type: 'string' },
  UUID4: { format: 'uuid4', type: 'string' },
  timedelta: { format: 'duration', type: 'string' },
  IPv6Address: { format: 'ipv6', type: 'string' },
  Decimal: { anyOf: [{ type: 'number' }, { type: 'string', pattern: '^(?!^[-+.]*$)[+-]?0*\\d*\\.?\\d*$' }] },
  'constrained str': { type: 'string', pattern: '^[A-Z]{3}$', minLength: 3, maxLength: 3 },
  int32: { type: 'integer', format: 'int32', minimum: 2147483640 },
  dict: { type: 'object', propertyNames: { enum: ['x', 'y'] }, additionalProperties: { type: 'integer' } },
}

describe('schemas that pydantic writes', () => {
  it.each(Object.entries(pydanticSchemas))('%s: what is written is valid', { timeout: 30_000 }, async (_, schema) => {
    expectValid(schema, await samples(schema))
  })
})

describe('what would not be valid', () => {
  it.each<[schema: object, place: string]>([
    [{ format: 'date', pattern: '^[0-9-]{3}$' }, '#/format'],
    [{ format: 'uri-reference', pattern: '^a$' }, '#/format'],
    [{ format: 'regex', pattern: '^a$' }, '#/format'],
    [{ format: 'made-up' }, '#/format'],
    [{ format: 'date', minLength: 11 }, '#/minLength'],
    [{ format: 'date', maxLength: 9 }, '#/maxLength'],
    [{ pattern: '^([a-z]+-)*$', maxLength: 5 }, '#/maxLength'],
    [{ pattern: '^a{6,}$', maxLength: 5 }, '#/maxLength'],
    [{ pattern: '^(a|bcd)$', minLength: 2 }, '#/minLength'],
    [{ format: 'email', pattern: '^(a|b)+@x\\.y$', maxLength: 4 }, '#/maxLength'],
    [{ propertyNames: { pattern: '^a' } }, '#/propertyNames'],
    [{ propertyNames: { enum: ['a'] }, required: ['b'] }, '#/propertyNames'],
  ])('%j is refused', async (schema, place) => {
    const compiled = grammars.compile({ kind: 'json-schema', schema })
    await expect(compiled).rejects.toThrow(OptionError)
    await expect(compiled).rejects.toThrow(place)
  })
})
