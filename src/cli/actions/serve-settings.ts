import process from 'node:process'
import * as v from 'valibot'
import { DataError, OptionError } from '../../base/errors.ts'
import { checkOptions, wholeNumber } from '../../base/options.ts'
import { parseJson } from '../../formats/json.ts'
import { readFileBytes } from '../../platform/files.ts'
import type { KeyHashes, LogLevel, NamedModel, ServeLimits } from '../../serve/index.ts'
import { modelPath } from '../model.ts'
import type { ServeFlags } from '../serve.ts'

const text = v.pipe(v.string(), v.minLength(1))
const hashes = v.record(v.string(), v.string())

const configSchema = v.strictObject({
  models: v.optional(v.union([v.array(text), v.record(v.string(), text)])),
  host: v.optional(text),
  port: v.optional(wholeNumber(0, 65_535)),
  keys: v.optional(v.union([text, hashes])),
  withoutKeys: v.optional(v.boolean()),
  allowHost: v.optional(v.array(text)),
  tlsCert: v.optional(text),
  tlsKey: v.optional(text),
  cors: v.optional(v.array(text)),
  threads: v.optional(wholeNumber(1, 1024)),
  memory: v.optional(wholeNumber(1, 2 ** 30)),
  prefixCache: v.optional(wholeNumber(0, 2 ** 30)),
  context: v.optional(wholeNumber(1)),
  chatTemplate: v.optional(text),
  preload: v.optional(v.array(text)),
  limits: v.optional(v.record(v.string(), wholeNumber(0))),
  logLevel: v.optional(v.picklist(['silent', 'error', 'warn', 'info', 'debug'])),
  traces: v.optional(text),
})

type Config = v.InferOutput<typeof configSchema>

/** All that `nextx serve` needs to know. */
export interface ServeSettings {
  readonly models: readonly NamedModel[]
  readonly host: string
  readonly port: number
  readonly keys: KeyHashes
  readonly withoutKeys: boolean
  readonly allowHost: readonly string[]
  readonly tls: { readonly certFile: string; readonly keyFile: string } | undefined
  readonly cors: readonly string[]
  readonly threads: number | undefined
  readonly memoryBytes: number | undefined
  readonly prefixCacheBytes: number | undefined
  readonly context: number | undefined
  readonly chatTemplate: string | undefined
  readonly preload: readonly string[] | undefined
  readonly limits: Partial<ServeLimits>
  readonly log: LogLevel
  readonly traces: string | undefined
}

const mebibyte = 2 ** 20

/**
 * Flags before the environment (which commander has read into them), before the file, before what holds where nothing is said.
 * Throws OptionError on unknown settings of the file, and on files that are not what they should be.
 */
export async function readServeSettings(given: readonly string[], flags: ServeFlags): Promise<ServeSettings> {
  const config: Config = flags.config === undefined ? {} : await readConfig(flags.config)
  const { newKey: _newKey, config: _config, limit = {}, ...others } = flags
  const { limits = {}, models, ...file } = config
  const all = { ...file, ...others }
  const { tlsCert, tlsKey, memory, prefixCache, threads, context, preload, traces } = all
  if ((tlsCert === undefined) !== (tlsKey === undefined)) throw new OptionError('tlsCert and tlsKey need each other')
  const inBytes = (mebibytes: number | undefined) => (mebibytes === undefined ? undefined : mebibytes * mebibyte)
  return {
    ...{ threads, context, preload, traces },
    models: await namedModels(given, models),
    host: all.host ?? '127.0.0.1',
    port: all.port ?? 8080,
    keys: typeof all.keys === 'string' ? await readKeys(all.keys) : (all.keys ?? {}),
    withoutKeys: all.withoutKeys ?? false,
    allowHost: all.allowHost ?? [],
    tls: tlsCert === undefined ? undefined : { certFile: tlsCert, keyFile: tlsKey! },
    cors: all.cors ?? [],
    memoryBytes: inBytes(memory),
    prefixCacheBytes: inBytes(prefixCache),
    chatTemplate: all.chatTemplate === undefined ? undefined : await readText(all.chatTemplate),
    limits: { ...limits, ...limit },
    log: all.logLevel ?? 'info',
  }
}

async function readConfig(path: string): Promise<Config> {
  const config = await readJsonFile(path)
  checkOptions(configSchema, config, `the file '${path}'`)
  return config as Config
}

async function readKeys(path: string): Promise<KeyHashes> {
  const keys = await readJsonFile(path)
  checkOptions(hashes, keys, `the keys of '${path}'`)
  if (Object.keys(keys as KeyHashes).length === 0)
    throw new OptionError(`the file '${path}' has no keys`, { fix: 'nextx serve --new-key <name>' })
  return { ...(keys as KeyHashes) }
}

async function readJsonFile(path: string): Promise<unknown> {
  return parseJson(await readFileBytes(path, { maxBytes: mebibyte }), { what: `'${path}'`, refuseDuplicates: true })
}

async function readText(path: string): Promise<string> {
  return new TextDecoder().decode(await readFileBytes(path, { maxBytes: mebibyte }))
}

/** `name=path`, or a path, whose last part is the name then. Models that ship with nextx go by their names. */
async function namedModels(given: readonly string[], config: Config['models']): Promise<NamedModel[]> {
  const environment = process.env.NEXTX_MODELS?.split(',').filter((model) => model !== '') ?? []
  const inFile = Array.isArray(config) ? config : Object.entries(config ?? {}).map(([name, path]) => `${name}=${path}`)
  const chosen = [given, environment, inFile].find((models) => models.length > 0)
  if (chosen === undefined) throw new DataError('there is no model to serve', { fix: 'name one, as in nextx serve stories260K' })
  return Promise.all(chosen.map(namedModel))
}

async function namedModel(given: string): Promise<NamedModel> {
  const [, named, path = given] = /^([^=/\\]+)=(.+)$/s.exec(given) ?? []
  const last =
    path
      .replace(/[/\\]+$/, '')
      .split(/[/\\]/)
      .at(-1) ?? path
  return { name: named ?? last.replace(/\.(gguf|json)$/i, ''), path: await modelPath(path) }
}
