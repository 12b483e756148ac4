import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Command } from 'commander'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { readServeSettings } from '../../../src/cli/actions/serve-settings.ts'
import { registerServe, type ServeFlags } from '../../../src/cli/serve.ts'
import { newKey } from '../../../src/serve/http/keys.ts'
import { runCli } from './spawn-cli.ts'

let folder: string

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'nextx-serve-'))
})

afterAll(() => rmSync(folder, { recursive: true }))

function fileOf(content: unknown, name = 'config.json'): string {
  const path = join(folder, name)
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content))
  return path
}

/** What a command line comes to. */
async function settingsOf(...args: readonly string[]) {
  const program = new Command().exitOverride()
  registerServe(program)
  const command = program.commands[0]!
  let parsed: readonly [string[], ServeFlags] | undefined
  command.exitOverride().configureOutput({ writeErr: () => undefined })
  command.action((models: string[], flags: ServeFlags) => {
    parsed = [models, flags]
  })
  await program.parseAsync(['serve', ...args], { from: 'user' })
  return readServeSettings(parsed![0], parsed![1])
}

describe('settings', () => {
  test('at their defaults', async () => {
    expect(await settingsOf('stories260K')).toEqual({
      models: [{ name: 'stories260K', path: expect.stringMatching(/data\/stories260K$/) }],
      host: '127.0.0.1',
      port: 8080,
      keys: {},
      withoutKeys: false,
      allowHost: [],
      cors: [],
      limits: {},
      log: 'info',
    })
  })

  test('flags come before the environment, that before the file, each limit by itself', async () => {
    const config = fileOf({
      models: ['stories260K'],
      host: '127.0.0.2',
      port: 1,
      memory: 3,
      logLevel: 'error',
      limits: { choices: 1, stops: 1, tools: 1 },
    })
    vi.stubEnv('NEXTX_PORT', '2')
    vi.stubEnv('NEXTX_MEMORY', '2')
    vi.stubEnv('NEXTX_LIMIT', 'stops=2, tools=2')
    const { port, host, memoryBytes, log, limits } = await settingsOf('--config', config, '--port', '0', '--limit', 'tools=3')
    expect({ port, host, memoryBytes, log }).toEqual({ port: 0, host: '127.0.0.2', memoryBytes: 2 * 2 ** 20, log: 'error' })
    // Several flags of a kind stand in the place of the environment's.
    expect(limits).toEqual({ choices: 1, stops: 1, tools: 3 })
  })

  test('models by path, by name, by the environment and by the file', async () => {
    const names = async (...args: readonly string[]) => (await settingsOf(...args)).models.map(({ name }) => name)
    expect(await names('one=stories260K', 'two=garments')).toEqual(['one', 'two'])
    expect(await names('--config', fileOf({ models: { chat: 'stories260K' } }))).toEqual(['chat'])
    vi.stubEnv('NEXTX_MODELS', 'stories260K,b=garments')
    expect(await names()).toEqual(['stories260K', 'b'])
    expect(await names('garments')).toEqual(['garments'])
  })

  test('lists, of several arguments or of commas', async () => {
    const { cors, preload } = await settingsOf('stories260K', '--cors', 'https://a.test', 'https://b.test', '--preload', 'a,b')
    expect({ cors, preload }).toEqual({ cors: ['https://a.test', 'https://b.test'], preload: ['a', 'b'] })
  })

  test('keys of a file, or in the file of settings', async () => {
    const { hash } = newKey()
    const keys = fileOf({ alice: hash }, 'keys.json')
    expect((await settingsOf('stories260K', '--keys', keys)).keys).toEqual({ alice: hash })
    expect((await settingsOf('--config', fileOf({ models: ['stories260K'], keys: { bob: hash } }))).keys).toEqual({ bob: hash })
  })

  test.each([
    ['an unknown setting', { modles: [] }, /modles/],
    ['a setting of the wrong kind', { port: '80' }, /port/],
    ['no JSON', '{', /not JSON/],
    ['a setting twice', '{"port": 1, "port": 2}', /"port" twice/],
    ['half of TLS', { models: ['stories260K'], tlsCert: 'a' }, /need each other/],
    ['no model', {}, /no model to serve/],
    ['a model that is nowhere', { models: ['nowhere'] }, /no model 'nowhere'/],
    ['keys that are none', { models: ['stories260K'], keys: '/dev/null' }, /null/],
  ])('a file with %s is refused', async (_, config, message) => {
    await expect(settingsOf('--config', fileOf(config))).rejects.toThrow(message)
  })
})

describe('wrong usage', () => {
  test.each([
    [['stories260K', '--port', '70000'], /a whole number from 0 to 65535/],
    [['stories260K', '--limit', 'rows'], /Expected name=value/],
    [['stories260K', '--tls-cert', 'a.pem'], /'--tls-cert' and '--tls-key' need each other/],
    [['stories260K', '--log-level', 'loud'], /Allowed choices are silent, error, warn, info, debug/],
  ])('%j', async (args, message) => {
    const { code, stderr } = await runCli(['serve', ...args])
    expect([code, stderr]).toEqual([2, expect.stringMatching(message)])
  })

  test.each([
    [[], /no model to serve/],
    [['stories260K', '--limit', 'rows=1'], /rows/],
    [['stories260K', '--host', '0.0.0.0'], /there are no keys/],
  ])('%j fails', async (args, message) => {
    const { code, stderr } = await runCli(['serve', ...args])
    expect([code, stderr]).toEqual([1, expect.stringMatching(message)])
  })
})

test('a new key is printed once, with what is stored of it', async () => {
  const { code, stdout, stderr } = await runCli(['serve', '--new-key', 'alice'])
  expect(code).toBe(0)
  expect(stdout).toMatch(/^nx-[\w-]{43}\n$/)
  const [, line] = /^ {2}("alice": "sha256:[0-9a-f]{64}")$/m.exec(stderr) ?? []
  const keys = fileOf(`{${line}}`, 'keys.json')
  expect(Object.keys((await settingsOf('stories260K', '--keys', keys)).keys)).toEqual(['alice'])
})
