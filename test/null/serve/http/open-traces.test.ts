import { expect, test, vi } from 'vitest'
import { RuntimeError } from '../../../../src/base/errors.ts'
import { openTraces } from '../../../../src/serve/observe/open-traces.ts'

test('without the packages of OpenTelemetry, traces say what to install', async () => {
  vi.doMock('@opentelemetry/sdk-trace-node', () => {
    throw new Error('Cannot find package')
  })
  const error = await openTraces('http://127.0.0.1:9/v1/traces').catch((failure: unknown) => failure)
  expect(error).toBeInstanceOf(RuntimeError)
  expect((error as Error).message).toContain('npm install @opentelemetry/sdk-trace-node @opentelemetry/exporter-trace-otlp-http')
})
