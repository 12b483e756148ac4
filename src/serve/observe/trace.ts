import { propagation, ROOT_CONTEXT, type Span, SpanKind, SpanStatusCode, type Tracer, trace } from '@opentelemetry/api'
import type { ObservedRequest, Outcome, RequestObserver, ServiceObserver, TokenCounts } from '../observer.ts'

/**
 * A span for each request, under that of its caller where it says so (`traceparent`), with the attributes that OpenTelemetry defines for
 * generative models. Does nothing until an SDK is registered, or a tracer given.
 */
export function traceObserver(tracer: Tracer = trace.getTracer('nextx')): ServiceObserver {
  return { begin: (request) => new Traced(spanOf(tracer, request)) }
}

const operations: Readonly<Record<string, string>> = {
  '/v1/chat/completions': 'chat',
  '/v1/responses': 'chat',
  '/v1/completions': 'text_completion',
  '/v1/embeddings': 'embeddings',
}

function spanOf(tracer: Tracer, { path, id, caller, traceparent, tracestate }: ObservedRequest): Span {
  const carrier = { ...(traceparent && { traceparent }), ...(tracestate && { tracestate }) }
  const attributes = {
    'http.route': path,
    'nextx.request.id': id,
    'gen_ai.provider.name': 'nextx',
    ...(operations[path] && { 'gen_ai.operation.name': operations[path] }),
    ...(caller && { 'nextx.key.name': caller }),
  }
  return tracer.startSpan(path, { kind: SpanKind.SERVER, attributes }, propagation.extract(ROOT_CONTEXT, carrier))
}

class Traced implements RequestObserver {
  readonly #span: Span

  constructor(span: Span) {
    this.#span = span
  }

  model(name: string): void {
    this.#span.setAttribute('gen_ai.request.model', name)
  }

  firstToken(milliseconds: number): void {
    this.#span.addEvent('first token', { 'nextx.milliseconds': milliseconds })
  }

  nextToken(): void {}

  tokens({ prompt, cached, generated }: TokenCounts, waited: number | undefined): void {
    this.#span.setAttributes({
      'gen_ai.usage.input_tokens': prompt,
      'gen_ai.usage.cache_read.input_tokens': cached,
      'gen_ai.usage.output_tokens': generated,
      ...(waited !== undefined && { 'nextx.queue.milliseconds': waited }),
    })
  }

  end(outcome: Outcome, code?: string, status?: number): void {
    this.#span.setAttribute('nextx.outcome', outcome)
    if (status !== undefined) this.#span.setAttribute('http.response.status_code', status)
    if (code !== undefined) this.#span.setAttribute('error.type', code)
    if (outcome === 'failed' || outcome === 'late') this.#span.setStatus({ code: SpanStatusCode.ERROR })
    this.#span.end()
  }
}
