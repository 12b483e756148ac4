import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { get } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect } from 'node:tls'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { DataError, OptionError } from '../../../../src/base/errors.ts'
import { openServer } from '../../../../src/serve/http/open-server.ts'
import { stubService } from '../stub-service.ts'
import { eventually, openRaw, openTestServer } from './client.ts'
import { certificate, privateKey } from './tls-files.ts'

let folder: string

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'nextx-tls-'))
  writeFileSync(join(folder, 'cert.pem'), certificate)
  writeFileSync(join(folder, 'key.pem'), privateKey)
})

afterAll(() => rmSync(folder, { recursive: true }))

const files = () => ({ certFile: join(folder, 'cert.pem'), keyFile: join(folder, 'key.pem') })

function getText(url: string): Promise<{ status: number | undefined; text: string }> {
  return new Promise((resolve, reject) => {
    get(url, { ca: certificate, agent: false }, (response) => {
      let text = ''
      response.on('data', (data) => {
        text += data
      })
      response.on('end', () => resolve({ status: response.statusCode, text }))
    }).on('error', reject)
  })
}

test('answers over TLS, and knows its connections', async () => {
  await using server = await openTestServer({ tls: files() })
  expect(server.url).toMatch(/^https:/)
  expect(await getText(`${server.url}/v1/models/one`)).toMatchObject({ status: 200, text: expect.stringContaining('"id":"one"') })
  const socket = connect({ port: server.server.port, host: '127.0.0.1', ca: certificate })
  await new Promise((resolve) => socket.once('secureConnect', resolve))
  expect(socket.getProtocol()).toBe('TLSv1.3')
  socket.write('POST /v1/hang HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}')
  await eventually(() => server.stub.pending.size === 1)
  socket.destroy()
  await eventually(() => server.stub.pending.size === 0 && server.server.load().connections === 0)
})

test('plain HTTP, old protocols and noise end at the handshake', async () => {
  await using server = await openTestServer({ tls: files(), limits: { headersTime: 200 } })
  await using raw = await openRaw(server.server.port)
  raw.send('GET /health/live HTTP/1.1\r\nhost: localhost\r\n\r\n')
  expect(await raw.closed()).not.toMatch(/200 OK/)
  const old = connect({
    port: server.server.port,
    host: '127.0.0.1',
    ca: certificate,
    maxVersion: 'TLSv1.1',
    minVersion: 'TLSv1',
    ciphers: 'ALL@SECLEVEL=0',
  })
  await new Promise((resolve) => old.once('error', resolve))
  expect((await getText(`${server.url}/health/live`)).status).toBe(200)
})

test('files that are no certificates are refused', async () => {
  writeFileSync(join(folder, 'bad.pem'), 'no certificate')
  await expect(openServer(stubService(), { port: 0, tls: { ...files(), certFile: join(folder, 'none.pem') } })).rejects.toThrow(
    DataError,
  )
  await expect(openServer(stubService(), { port: 0, tls: { ...files(), keyFile: join(folder, 'bad.pem') } })).rejects.toThrow(
    OptionError,
  )
})
