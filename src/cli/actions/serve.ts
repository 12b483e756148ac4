import process from 'node:process'
import { newKey, observers, openServer, openService, type Server, type Service } from '../../serve/index.ts'
import { openTraces, type Traces } from '../../serve/observe/open-traces.ts'
import { Exit, interruptible } from '../exit.ts'
import type { ServeFlags } from '../serve.ts'
import { note, noteError, writeLines } from '../terminal.ts'
import { readServeSettings, type ServeSettings } from './serve-settings.ts'

/** `nextx serve`. */
export async function serveAction(models: readonly string[], flags: ServeFlags): Promise<void> {
  if (flags.newKey !== undefined) {
    printNewKey(flags.newKey)
    return
  }
  const settings = await readServeSettings(models, flags)
  // One request's loose end is not the end of all others.
  process.on('unhandledRejection', (reason) => noteError(`a failure that nobody waited for: ${stackOf(reason)}`))
  const ending = { drained: false }
  try {
    await interruptible((signal) => serveUntil(signal, settings, ending))
  } catch (error) {
    // Asked to end, and ended as it should.
    if (!(error instanceof Exit && ending.drained)) throw error
  }
}

function stackOf(reason: unknown): string {
  return reason instanceof Error ? (reason.stack ?? reason.message) : String(reason)
}

function printNewKey(name: string): void {
  const { key, hash } = newKey()
  writeLines([key])
  note(`The key is shown only now. Store its hash in the file of --keys:\n  ${JSON.stringify(name)}: ${JSON.stringify(hash)}`)
}

async function serveUntil(signal: AbortSignal, settings: ServeSettings, ending: { drained: boolean }): Promise<void> {
  await using traces = settings.traces === undefined ? undefined : await openTraces(settings.traces)
  const { models, limits, threads, memoryBytes, prefixCacheBytes, context, chatTemplate, preload } = settings
  await using service = await openService({
    ...{ models, limits, threads, memoryBytes, prefixCacheBytes, context, chatTemplate, preload },
  })
  await using server = await listen(service, settings, traces)
  note(startBlock(server, settings).join('\n'))
  await service.warmUp(signal)
  note('ready')
  await aborted(signal)
  note(`draining: running requests have ${server.limits.drainTime / 1000} s to end; stop again to end at once`)
  await server.drain()
  ending.drained = true
}

function listen(service: Service, settings: ServeSettings, traces: Traces | undefined): Promise<Server> {
  const { host, port, limits, keys, withoutKeys, allowHost, tls, cors, log } = settings
  return openServer(service, {
    ...{ host, port, limits, keys, withoutKeys, log },
    hosts: allowHost,
    cors: { origins: cors },
    ...(tls && { tls }),
    ...(traces && { observer: observers(traces.observer) }),
  })
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    signal.addEventListener('abort', () => resolve(), { once: true })
  })
}

/** What holds, for whoever starts the server. */
function startBlock(server: Server, settings: ServeSettings): string[] {
  const { models, keys, tls, cors, log, traces } = settings
  const names = Object.keys(keys)
  const facts = [
    ['models', models.map(({ name, path }) => (name === path ? name : `${name} (${path})`)).join(', ')],
    ['keys', names.length > 0 ? `${names.length}: ${names.join(', ')}` : 'none: whoever reaches the port may ask'],
    ['TLS', tls ? `on (${tls.certFile})` : 'off'],
    ['CORS', cors.length > 0 ? cors.join(', ') : 'off'],
    ['logs', log],
    ['traces', traces ?? 'off'],
  ]
  const limits = Object.entries(server.limits).map(([name, value]) => `${name} ${value}`)
  return [
    `nextx serves at ${server.url}`,
    ...facts.map(([name, value]) => `  ${name!.padEnd(8)}${value}`),
    '  limits',
    ...inColumns(limits, 3),
  ]
}

function inColumns(cells: readonly string[], columns: number): string[] {
  const width = Math.max(...cells.map(({ length }) => length)) + 2
  const rows = Array.from({ length: Math.ceil(cells.length / columns) }, (_, i) => cells.slice(i * columns, (i + 1) * columns))
  return rows.map((row) => `    ${row.map((cell) => cell.padEnd(width)).join('')}`.trimEnd())
}
