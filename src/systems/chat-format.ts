import * as v from 'valibot'
import { DataError } from '../base/errors.ts'
import { readGguf } from '../formats/index.ts'
import { openFileSource } from '../platform/file-source.ts'
import { exists, isFile, readFileBytes } from '../platform/files.ts'
import { chatTemplateSource } from '../tokenizers/index.ts'
import { readJson } from './model-files.ts'

/** How a model wants a conversation written. */
export interface ChatFormat {
  /** A chat template, in the language of Jinja. */
  readonly template: string
  /** Texts that end an answer, besides the tokenizer's end tokens. */
  readonly stop: readonly string[]
  /** What the template calls `bos_token` and `eos_token`, where the model's files say so. */
  readonly bosToken?: string
  readonly eosToken?: string
}

/**
 * The chat format of a model: `tokenizer.chat_template` of a GGUF file; of a folder chat_template.jinja, or `chat_template` of
 * tokenizer_config.json, or a `template` with places for `{user}` and `{bot}` in config.json. Undefined where there is none.
 *
 * @throws FormatError when a file is malformed, DataError when one is unreadable.
 * @example
 * const format = await readChatFormat('my-model')
 */
export async function readChatFormat(path: string): Promise<ChatFormat | undefined> {
  if (await isFile(path)) return readGgufFormat(path)
  const config = (await readOptional(path, 'tokenizer_config.json')) as Fields | undefined
  const names = tokenNames(contentOf(config?.bos_token), contentOf(config?.eos_token))
  const template = (await readTemplateFile(`${path}/chat_template.jinja`)) ?? chatTemplateSource(config?.chat_template)
  if (template !== undefined) return { template, stop: [], ...names }
  return formatOfPlaces(await readOptional(path, 'config.json'))
}

/** The text of a template file; undefined where there is none. */
export async function readTemplateFile(path: string): Promise<string | undefined> {
  if (!(await exists(path))) return undefined
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(await readFileBytes(path, { maxBytes: longestTemplate }))
  } catch (cause) {
    if (cause instanceof TypeError) throw new DataError(`${path} is not text`, { expected: 'UTF-8', cause })
    throw cause
  }
}

const longestTemplate = 2 ** 20

type Fields = Readonly<Record<string, unknown>>

async function readOptional(folder: string, name: string): Promise<unknown> {
  return (await exists(`${folder}/${name}`)) ? readJson(folder, name) : undefined
}

const token = v.union([v.string(), v.looseObject({ content: v.string() })])

function contentOf(given: unknown): string | undefined {
  if (!v.is(token, given)) return undefined
  return typeof given === 'string' ? given : given.content
}

async function readGgufFormat(path: string): Promise<ChatFormat | undefined> {
  const source = await openFileSource(path)
  try {
    return formatOfMetadata((await readGguf(source)).metadata)
  } finally {
    await source[Symbol.asyncDispose]()
  }
}

function formatOfMetadata(metadata: ReadonlyMap<string, unknown>): ChatFormat | undefined {
  const template = chatTemplateSource(metadata.get('tokenizer.chat_template'))
  if (template === undefined) return undefined
  const tokens = metadata.get('tokenizer.ggml.tokens')
  const nameOf = (key: string) => contentOf(Array.isArray(tokens) ? tokens[Number(metadata.get(key) ?? -1)] : undefined)
  return { template, stop: [], ...tokenNames(nameOf('tokenizer.ggml.bos_token_id'), nameOf('tokenizer.ggml.eos_token_id')) }
}

function tokenNames(bosToken: string | undefined, eosToken: string | undefined): Pick<ChatFormat, 'bosToken' | 'eosToken'> {
  return { ...(bosToken !== undefined && { bosToken }), ...(eosToken !== undefined && { eosToken }) }
}

const placesConfig = v.looseObject({
  template: v.pipe(v.string(), v.maxLength(1000), v.regex(/^[^{}]*\{user\}[^{}]*\{bot\}[^{}]+$/)),
})

/** Of a template such as `<user>{user}<bot>{bot}<end>`: one exchange, of which each is a line of the texts that such models learn. */
function formatOfPlaces(config: unknown): ChatFormat | undefined {
  if (!v.is(placesConfig, config)) return undefined
  const [before, rest] = config.template.split('{user}', 2) as [string, string]
  const [between, end] = rest.split('{bot}', 2) as [string, string]
  const say = (text: string) => `{{ ${JSON.stringify(text)} }}`
  const turn = [
    `{% if message.role == 'user' %}${say(before)}{{ message.content }}${say(between)}`,
    `{% elif message.role == 'assistant' %}{{ message.content }}${say(`${end}\n`)}`,
    "{% else %}{{ raise_exception('there is no place for the role ' ~ message.role) }}{% endif %}",
  ]
  return { template: `{% for message in messages %}${turn.join('')}{% endfor %}`, stop: [end] }
}
