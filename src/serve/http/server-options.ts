import * as v from 'valibot'
import { OptionError } from '../../base/errors.ts'
import { checkOptions, wholeNumber } from '../../base/options.ts'
import { limitsSchema, type ServeLimits, serveLimits } from '../limits.ts'
import type { ServiceObserver } from '../observer.ts'
import { checkKeys, type KeyHashes } from './keys.ts'

export type LogLevel = 'silent' | 'error' | 'warn' | 'info' | 'debug'

export interface ServerOptions {
  /** Address to listen on. Default `127.0.0.1`; others need `keys`. */
  readonly host?: string
  /** 0 for any that is free. Default 8080. */
  readonly port?: number
  /** Those that are not given are at their defaults. */
  readonly limits?: Partial<ServeLimits>
  /** Who may ask. Without any, everybody who reaches the server, which is then bound to this machine. */
  readonly keys?: KeyHashes
  /** Serve without keys beyond this machine. Whoever reaches the port may then use the models. Default false. */
  readonly withoutKeys?: boolean
  /** Without keys: further names that clients may know the server by, beside those of this machine. */
  readonly hosts?: readonly string[]
  /** Web pages that may ask: exact origins, such as `https://app.example.com`. Default: none. */
  readonly cors?: { readonly origins: readonly string[] }
  /** PEM files. */
  readonly tls?: { readonly certFile: string; readonly keyFile: string }
  /** Milliseconds that an idle connection is kept; longer than a load balancer in front keeps its own. Default 75,000. */
  readonly keepAliveTime?: number
  /** Sees every request, beside the server's own metrics and logs. */
  readonly observer?: ServiceObserver
  /** JSON lines, one a request. Default `silent`. */
  readonly log?: LogLevel
  /** Where lines of the log go. Default: stdout. */
  readonly logTo?: { write(line: string): void }
  /** Metrics of the process and the event loop, beside those of requests. Default true. */
  readonly processMetrics?: boolean
}

const text = v.pipe(v.string(), v.minLength(1), v.maxLength(4096))
const originPattern = /^https?:\/\/[^\s/?#@]+$/

const schema = v.strictObject({
  host: v.optional(text),
  port: v.optional(wholeNumber(0, 65_535)),
  limits: v.optional(v.partial(limitsSchema)),
  keys: v.optional(v.record(v.string(), v.string())),
  withoutKeys: v.optional(v.boolean()),
  hosts: v.optional(v.array(text)),
  cors: v.optional(
    v.strictObject({ origins: v.array(v.pipe(v.string(), v.regex(originPattern, 'an origin such as https://host'))) }),
  ),
  tls: v.optional(v.strictObject({ certFile: text, keyFile: text })),
  keepAliveTime: v.optional(wholeNumber(1, 2 ** 31 - 1)),
  observer: v.optional(v.object({ begin: v.function() })),
  log: v.optional(v.picklist(['silent', 'error', 'warn', 'info', 'debug'])),
  logTo: v.optional(v.looseObject({ write: v.function() })),
  processMetrics: v.optional(v.boolean()),
})

/** Options with everything that holds where nothing is said. */
export type CheckedOptions = Required<Omit<ServerOptions, 'tls' | 'observer' | 'logTo' | 'limits'>> &
  Pick<ServerOptions, 'tls' | 'observer' | 'logTo'> & { readonly limits: ServeLimits }

/** Throws OptionError on what is unknown, out of range, or open to everybody without saying so. */
export function checkServerOptions(options: ServerOptions): CheckedOptions {
  checkOptions(schema, options, 'openServer')
  const { host = '127.0.0.1', keys = {}, withoutKeys = false } = options
  checkKeys(keys)
  if (!isLoopback(host) && Object.keys(keys).length === 0 && !withoutKeys) {
    throw new OptionError(`openServer: '${host}' is reached from other machines, and there are no keys`, {
      fix: "give keys (see 'nextx serve --new-key'), or say withoutKeys: true (--without-keys) if whoever reaches the port may use it",
    })
  }
  return {
    port: 8080,
    hosts: [],
    cors: { origins: [] },
    keepAliveTime: 75_000,
    log: 'silent',
    processMetrics: true,
    ...options,
    limits: serveLimits(options.limits),
    // By its name, it might be two addresses, of two servers.
    host: host === 'localhost' ? '127.0.0.1' : host,
    keys,
    withoutKeys,
  }
}

/** Whether only this machine reaches an address. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^(::ffff:)?127(\.\d{1,3}){3}$/.test(host)
}
