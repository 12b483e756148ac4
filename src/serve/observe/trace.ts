import {
  type Context,
  createTraceState,
  isSpanContextValid,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  type Tracer,
  trace,
} from '@opentelemetry/api'
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

function spanOf(tracer: Tracer, request: ObservedRequest): Span {
  const { path, id, caller } = request
  const attributes = {
    'http.route': path,
    'nextx.request.id': id,
    'gen_ai.provider.name': 'nextx',
    ...(operations[path] && { 'gen_ai.operation.name': operations[path] }),
    ...(caller && { 'nextx.key.name': caller }),
  }
  return tracer.startSpan(path, { kind: SpanKind.SERVER, attributes }, parentOf(request))
}

// Version, trace, parent and flags; versions to come may append to them (W3C Trace Context, section 3.2).
const parentPattern = /^(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/

function parentOf({ traceparent, tracestate }: ObservedRequest): Context {
  const [, traceId, spanId, flags] = parentPattern.exec(traceparent ?? '') ?? []
  if (traceId === undefined || spanId === undefined || flags === undefined) return ROOT_CONTEXT
  const state = tracestate === undefined ? {} : { traceState: createTraceState(tracestate) }
  const parent = { traceId, spanId, traceFlags: Number.parseInt(flags, 16) & 1, isRemote: true, ...state }
  return isSpanContextValid(parent) ? trace.setSpanContext(ROOT_CONTEXT, parent) : ROOT_CONTEXT
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
