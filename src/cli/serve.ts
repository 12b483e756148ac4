import { type Command, InvalidArgumentError, Option } from 'commander'
import { threadCount, wholeNumber } from './numbers.ts'

/** What was given on the command line or by the environment; the file of `--config` says what else holds. */
export interface ServeFlags {
  readonly host?: string
  readonly port?: number
  readonly keys?: string
  readonly newKey?: string
  readonly withoutKeys?: boolean
  readonly allowHost?: readonly string[]
  readonly tlsCert?: string
  readonly tlsKey?: string
  readonly cors?: readonly string[]
  readonly threads?: number
  readonly memory?: number
  readonly prefixCache?: number
  readonly context?: number
  readonly chatTemplate?: string
  readonly preload?: readonly string[]
  readonly limit?: Readonly<Record<string, number>>
  readonly config?: string
  readonly logLevel?: LogLevelName
  readonly traces?: string
}

const logLevels = ['silent', 'error', 'warn', 'info', 'debug'] as const

export type LogLevelName = (typeof logLevels)[number]

export function registerServe(program: Command): void {
  const command = program
    .command('serve')
    .summary('serve models over HTTP, as OpenAI does')
    .description(
      'Serves models over HTTP to whatever speaks with OpenAI’s API. Only this machine is served, unless there are keys.',
    )
    .argument('[model...]', 'models, each as a path or as name=path; also NEXTX_MODELS, with commas')
  const options = [
    new Option('--host <address>', 'address to listen on (default: 127.0.0.1)').env('NEXTX_HOST'),
    new Option('--port <number>', 'port to listen on, 0 for any that is free (default: 8080)')
      .argParser(wholeNumber(0, 65_535))
      .env('NEXTX_PORT'),
    new Option('--keys <file>', 'JSON file of names and hashes of the keys that may ask').env('NEXTX_KEYS'),
    new Option('--new-key <name>', 'make a key, print it and the line to store in the file of --keys, and end'),
    new Option('--without-keys', 'serve everybody who reaches an address beyond this machine'),
    new Option('--allow-host <names...>', 'without keys: further names of this server')
      .env('NEXTX_ALLOW_HOST')
      .argParser(collectList),
    new Option('--tls-cert <file>', 'PEM file of a certificate; needs --tls-key').env('NEXTX_TLS_CERT'),
    new Option('--tls-key <file>', 'PEM file of its private key').env('NEXTX_TLS_KEY'),
    new Option('--cors <origins...>', 'web pages that may ask, such as https://app.example.com')
      .env('NEXTX_CORS')
      .argParser(collectList),
    new Option('--threads <count>', 'threads of one operation (default: the physical cores)')
      .argParser(threadCount)
      .env('NEXTX_THREADS'),
    new Option('--memory <MiB>', 'of all loaded models (default: 8192)').argParser(wholeNumber(1, 2 ** 30)).env('NEXTX_MEMORY'),
    new Option('--prefix-cache <MiB>', 'of kept states, of each language model (default: 256)')
      .argParser(wholeNumber(0, 2 ** 30))
      .env('NEXTX_PREFIX_CACHE'),
    new Option('--context <tokens>', 'of a sequence, where it is to be other than a model says')
      .argParser(wholeNumber(1))
      .env('NEXTX_CONTEXT'),
    new Option('--chat-template <file>', 'Jinja template of conversations, in the place of the models’ own').env(
      'NEXTX_CHAT_TEMPLATE',
    ),
    new Option('--preload <names...>', 'models to load before the server is ready (default: the first)')
      .env('NEXTX_PRELOAD')
      .argParser(collectList),
    new Option('--limit <name=value...>', 'one of the limits that are printed at the start')
      .env('NEXTX_LIMIT')
      .argParser(collectLimits),
    new Option('--config <file>', 'JSON file of all these settings; flags and the environment come first').env('NEXTX_CONFIG'),
    new Option('--log-level <level>', 'of the lines of JSON on stdout (default: info)').choices(logLevels).env('NEXTX_LOG_LEVEL'),
    new Option('--traces <url>', 'OpenTelemetry collector, such as http://localhost:4318/v1/traces').env('NEXTX_TRACES'),
  ]
  for (const option of options) command.addOption(option)
  command.addHelpText('after', examples).action(async (models: string[], flags: ServeFlags) => {
    if ((flags.tlsCert === undefined) !== (flags.tlsKey === undefined))
      command.error("error: '--tls-cert' and '--tls-key' need each other")
    const { serveAction } = await import('./actions/serve.ts')
    await serveAction(models, flags)
  })
}

/** Several values, of one or more arguments or commas. */
function collectList(text: string, before: readonly string[] = []): string[] {
  const values = text.split(',').map((value) => value.trim())
  if (values.includes('')) throw new InvalidArgumentError('Expected values that are not empty.')
  return [...before, ...values]
}

function collectLimits(text: string, before: Readonly<Record<string, number>> = {}): Record<string, number> {
  const pairs = text.split(',').map((pair) => {
    const [, name, value] = /^\s*(\w+)\s*=\s*(\S+)\s*$/.exec(pair) ?? []
    if (name === undefined || value === undefined) throw new InvalidArgumentError('Expected name=value, such as runningRows=8.')
    return [name, wholeNumber(0)(value)] as const
  })
  return { ...before, ...Object.fromEntries(pairs) }
}

const examples = `
The start prints every limit. SIGTERM and Ctrl-C let running requests end, a second one does not.

Examples:
  nextx serve stories260K
  nextx serve chat=models/chat.gguf embed=models/embedder --port 9000 --limit runningRows=32
  nextx serve --new-key alice
  nextx serve my-model --host 0.0.0.0 --keys keys.json --tls-cert cert.pem --tls-key key.pem
  nextx serve --config server.json --log-level warn`
