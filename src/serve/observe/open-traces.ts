import { RuntimeError } from '../../base/errors.ts'
import type { ServiceObserver } from '../observer.ts'
import { traceObserver } from './trace.ts'

/** Spans on their way to a collector. Disposing sends those that are left. */
export interface Traces extends AsyncDisposable {
  readonly observer: ServiceObserver
}

/**
 * Sends a span for each request to a collector of OpenTelemetry, over HTTP; `url` is that of its traces, such as
 * `http://localhost:4318/v1/traces`. Registers nothing globally.
 * @throws RuntimeError when the packages of OpenTelemetry are not installed.
 */
export async function openTraces(url: string): Promise<Traces> {
  const [{ BatchSpanProcessor, NodeTracerProvider }, { OTLPTraceExporter }] = await Promise.all([
    import('@opentelemetry/sdk-trace-node'),
    import('@opentelemetry/exporter-trace-otlp-http'),
  ]).catch((cause: unknown) => {
    throw new RuntimeError('traces need packages that are not installed', {
      fix: 'npm install @opentelemetry/sdk-trace-node @opentelemetry/exporter-trace-otlp-http',
      cause,
    })
  })
  const provider = new NodeTracerProvider({ spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter({ url }))] })
  return {
    observer: traceObserver(provider.getTracer('nextx')),
    [Symbol.asyncDispose]: () => provider.shutdown(),
  }
}
