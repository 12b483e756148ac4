import { describe, expect, test } from 'vitest'
import { OptionError } from '../../../../src/base/errors.ts'
import { hashKey, newKey } from '../../../../src/serve/http/keys.ts'
import { appOf, openServer } from '../../../../src/serve/http/open-server.ts'
import { checkServerOptions } from '../../../../src/serve/http/server-options.ts'
import { serveLimits } from '../../../../src/serve/limits.ts'
import { serviceOf } from '../../../../src/serve/open-service.ts'
import type { Service } from '../../../../src/serve/service.ts'
import { stubService } from '../stub-service.ts'
import { stubSource } from '../stub-text-host.ts'
import { errorOf, openRaw, openTestServer, rawRequest } from './client.ts'

const { key, hash } = newKey()
const other = newKey()
const keys = { alice: hash, bob: other.hash }
const authorized = { headers: { authorization: `Bearer ${key}` } }

test('a hash is that of SHA-256', () => {
  // FIPS 180-4: "abc".
  expect(hashKey('abc')).toBe('sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad')
  expect(key).toMatch(/^nx-[\w-]{43}$/)
  expect(hashKey(key)).toBe(hash)
})

/** What is registered, by Fastify's own account. */
async function registeredRoutes(service: Service): Promise<(readonly [method: string, path: string])[]> {
  const { fastify } = appOf(service, checkServerOptions({ keys, processMetrics: false }), undefined)
  await fastify.ready()
  const lines = fastify.printRoutes({ commonPrefix: false }).split('\n')
  await fastify.close()
  // Four characters a level; what is below a path continues it.
  const above: string[] = []
  return lines.flatMap((line) => {
    const [, branches, part, methods] = /^([^\w/:]*?)(\/?[^\s─│└├]\S*)(?: \(([A-Z, ]+)\))?$/.exec(line) ?? []
    if (branches === undefined || part === undefined) return []
    above.splice(branches.length / 4 - 1, above.length, part)
    return methods === undefined ? [] : methods.split(', ').map((method) => [method, above.join('')] as const)
  })
}

/** The endpoints that there are, over a text model that is none. */
function serviceOfText(): Service {
  return serviceOf([stubSource()], { limits: serveLimits(), memoryBytes: 10_000, preload: [] })
}

describe('keys', () => {
  test.each([
    ['the stub', stubService],
    ['a service', serviceOfText],
  ])('each route of %s that is registered needs one, except those of health', async (_, make) => {
    const routes = await registeredRoutes(make())
    const open = new Set<string>()
    const service = make()
    await service.warmUp()
    await using server = await openServer(service, { port: 0, processMetrics: false, keys })
    for (const [method, path] of routes) {
      const url = server.url + path.replaceAll(/:\w+/g, 'some')
      const given = method === 'POST' ? { body: '{}', headers: { 'content-type': 'application/json' } } : {}
      const wrong = [
        {},
        { authorization: 'Bearer wrong' },
        { authorization: `Basic ${key}` },
        { authorization: key },
        { 'x-api-key': key },
      ]
      for (const headers of wrong) {
        const response = await fetch(url, { method, ...given, headers: { ...given.headers, ...headers } })
        if (response.status === 401) continue
        open.add(`${method} ${path}`)
        expect(response.status).toBe(200)
      }
    }
    for (const { method, path } of service.endpoints) expect(routes).toContainEqual([method, path])
    expect(routes).toContainEqual(['GET', '/metrics'])
    expect([...open].sort()).toEqual(['GET /health/live', 'GET /health/ready', 'HEAD /health/live', 'HEAD /health/ready'])
  })

  test('what is nowhere needs one too', async () => {
    await using server = await openTestServer({ keys })
    for (const path of [
      '/',
      '/v1',
      '/health',
      '/health/live/',
      '/HEALTH/LIVE',
      '//health/live',
      '/health/live/../../metrics',
      '/%ff',
      '/docs',
    ]) {
      expect((await fetch(server.url + path)).status, path).toBe(401)
      expect((await fetch(server.url + path, authorized)).status, path).toBe(
        path === '/%ff' ? 400 : path.includes('..') ? 200 : 404,
      )
    }
    await using raw = await openRaw(server.server.port)
    raw.send(rawRequest('GET', '/health/live/../../metrics') + rawRequest('DELETE', '/health/live'))
    expect(await raw.until(/401[\s\S]*HTTP[\s\S]*\r\n\r\n.*}/)).not.toContain('200 OK')
  })

  test('any of several keys, known by their names', async () => {
    await using server = await openTestServer({ keys })
    const callers = []
    for (const one of [key, other.key]) {
      const response = await server.post('/v1/echo', {}, { headers: { authorization: `bearer ${one}` } })
      callers.push(((await response.json()) as { caller: string }).caller)
    }
    expect(callers).toEqual(['alice', 'bob'])
  })

  test('a missing key and a wrong one', async () => {
    await using server = await openTestServer({ keys })
    const missing = await server.post('/v1/echo', {})
    expect(missing.headers.get('www-authenticate')).toBe('Bearer')
    expect(await errorOf(missing)).toMatchObject({
      status: 401,
      type: 'authentication_error',
      code: 'missing_api_key',
      param: null,
    })
    const wrong = await server.post('/v1/echo', {}, { headers: { authorization: 'Bearer nx-wrong' } })
    expect(await errorOf(wrong)).toMatchObject({ status: 401, code: 'invalid_api_key' })
    expect(server.stub.calls).toEqual([])
  })

  test.each([
    ['a key instead of its hash', { alice: 'nx-secret' }, /'alice' has no hash/],
    ['a name that is none', { 'a b': hash }, /'a b' is no name/],
    ['two names of one key', { alice: hash, carol: hash }, /the key of another name/],
  ])('%s is refused', async (_, given, message) => {
    await expect(openServer(stubService(), { keys: given })).rejects.toThrow(message)
  })
})

describe('without keys', () => {
  test.each(['0.0.0.0', '::', '192.168.1.2', 'example.com'])('an address that others reach is refused: %s', async (host) => {
    await expect(openServer(stubService(), { host, port: 0 })).rejects.toThrow(OptionError)
  })

  test('an address that others reach is taken when asked for in so many words', async () => {
    await using server = await openTestServer({ host: '0.0.0.0', withoutKeys: true })
    expect((await fetch(`http://127.0.0.1:${server.server.port}/v1/models/one`)).status).toBe(200)
  })

  test('only names of this machine, and those that are given', async () => {
    await using server = await openTestServer({ hosts: ['nextx.test'] })
    const statuses: Record<string, string> = {}
    const names = [
      '127.0.0.1:80',
      'localhost',
      '[::1]:8080',
      'nextx.test',
      'evil.test',
      'localhost.evil.test',
      '127.0.0.1.evil.test',
      'a b',
      '127.0.0.1@evil',
    ]
    for (const host of names) {
      await using raw = await openRaw(server.server.port)
      raw.send(`GET /v1/models/one HTTP/1.1\r\nhost: ${host}\r\n\r\n`)
      statuses[host] = (await raw.until(/HTTP\/1.1 (\d+)/)).slice(9, 12)
    }
    expect(Object.values(statuses)).toEqual(['200', '200', '200', '200', '403', '403', '403', '403', '403'])
  })

  test('no pages of other origins', async () => {
    await using server = await openTestServer()
    expect((await server.post('/v1/echo', {}, { headers: { origin: 'https://evil.test' } })).status).toBe(403)
  })
})

describe('CORS', () => {
  const origin = 'https://app.test'
  const preflight = {
    method: 'OPTIONS',
    headers: { origin, 'access-control-request-method': 'POST', 'access-control-request-headers': 'authorization, x-stainless-os' },
  }

  test('is off: no header, no preflight', async () => {
    await using server = await openTestServer({ keys })
    const response = await fetch(`${server.url}/v1/echo`, preflight)
    expect(response.status).toBe(401)
    expect([...response.headers.keys()].filter((name) => name.startsWith('access-control'))).toEqual([])
  })

  test('answers exact origins', async () => {
    await using server = await openTestServer({ keys, cors: { origins: [origin] } })
    const response = await fetch(`${server.url}/v1/echo`, preflight)
    expect(response.status).toBe(204)
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'access-control-allow-origin': origin,
      'access-control-allow-methods': 'GET, POST',
      'access-control-allow-headers': 'authorization, x-stainless-os',
      vary: 'origin',
    })
    const answer = await server.post('/v1/stream', {}, { headers: { origin, ...authorized.headers } })
    expect(answer.headers.get('access-control-allow-origin')).toBe(origin)
    const refused = await server.post('/v1/echo', {}, { headers: { origin } })
    expect([refused.status, refused.headers.get('access-control-allow-origin')]).toEqual([401, origin])
  })

  test.each(['https://evil.test', 'https://app.test.evil.test', 'http://app.test', 'null'])('not %s', async (given) => {
    await using server = await openTestServer({ keys, cors: { origins: [origin] } })
    const response = await fetch(`${server.url}/v1/echo`, { ...preflight, headers: { ...preflight.headers, origin: given } })
    expect([response.status, response.headers.get('access-control-allow-origin')]).toEqual([401, null])
  })

  test('refuses patterns', async () => {
    await expect(openServer(stubService(), { cors: { origins: ['*'] } })).rejects.toThrow(/origin such as/)
  })
})
