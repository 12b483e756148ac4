import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import type { RequestObserver, ServiceObserver } from '../observer.ts'
import type { ModelState } from '../service.ts'
import { observeModels } from './model-metrics.ts'

export interface MetricsOptions {
  /** Whose states are shown, at each scrape. */
  readonly models?: () => readonly ModelState[]
  /** Metrics of the process and its event loop. Default false. They go on being measured until the process ends. */
  readonly process?: boolean
}

/** Counts requests, as Prometheus reads it. */
export interface Metrics extends ServiceObserver {
  readonly contentType: string
  /** All metrics in Prometheus' text format. */
  text(): Promise<string>
}

// Seconds.
const requestBuckets = [0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 900]
const tokenBuckets = [0.001, 0.0025, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 1, 2.5, 10]

/**
 * Metrics in a registry of their own.
 * @example
 * const metrics = metricsObserver({ models: () => service.models() })
 * console.log(await metrics.text())
 */
export function metricsObserver({ models = () => [], process = false }: MetricsOptions = {}): Metrics {
  const registry = new Registry()
  const instruments = instrumentsIn(registry)
  observeModels(registry, models)
  if (process) collectDefaultMetrics({ register: registry })
  return {
    begin: ({ path }) => new Measured(instruments, path),
    contentType: registry.contentType,
    text: () => registry.metrics(),
  }
}

type Instruments = ReturnType<typeof instrumentsIn>

function instrumentsIn(registry: Registry) {
  const common = { registers: [registry] }
  const seconds = (name: string, help: string, buckets: number[]) =>
    new Histogram({ ...common, name: `nextx_${name}_seconds`, help, labelNames: ['model'], buckets })
  return {
    requests: new Counter({
      ...common,
      name: 'nextx_requests_total',
      help: 'Requests that ended, by path, how they ended, and the code of their error.',
      labelNames: ['path', 'outcome', 'code'],
    }),
    active: new Gauge({
      ...common,
      name: 'nextx_requests_active',
      help: 'Requests that are being answered.',
      labelNames: ['path'],
    }),
    duration: new Histogram({
      ...common,
      name: 'nextx_request_duration_seconds',
      help: 'Time from a request to the end of its answer, of those that finished.',
      labelNames: ['path'],
      buckets: requestBuckets,
    }),
    wait: seconds('queue_wait', 'Time until a request had a row to run in.', requestBuckets),
    first: seconds('time_to_first_token', 'Time from a request to the first token of its answer.', requestBuckets),
    next: seconds('inter_token', 'Time from one token of an answer to the next.', tokenBuckets),
    tokens: new Counter({
      ...common,
      name: 'nextx_tokens_total',
      help: 'Tokens of prompts, those of them whose state was kept, and tokens of answers.',
      labelNames: ['model', 'kind'],
    }),
  }
}

/** One request as the instruments see it. */
class Measured implements RequestObserver {
  readonly #instruments: Instruments
  readonly #path: string
  readonly #start = performance.now()
  #model = 'unknown'

  constructor(instruments: Instruments, path: string) {
    this.#instruments = instruments
    this.#path = path
    instruments.active.inc({ path })
  }

  model(name: string): void {
    this.#model = name
  }

  firstToken(milliseconds: number): void {
    this.#instruments.first.observe({ model: this.#model }, milliseconds / 1000)
  }

  nextToken(milliseconds: number): void {
    this.#instruments.next.observe({ model: this.#model }, milliseconds / 1000)
  }

  tokens(counts: Parameters<RequestObserver['tokens']>[0], waited: number | undefined): void {
    const { tokens, wait } = this.#instruments
    for (const kind of ['prompt', 'cached', 'generated'] as const) tokens.inc({ model: this.#model, kind }, counts[kind])
    if (waited !== undefined) wait.observe({ model: this.#model }, waited / 1000)
  }

  end(...[outcome, code = '']: Parameters<RequestObserver['end']>): void {
    const { requests, active, duration } = this.#instruments
    requests.inc({ path: this.#path, outcome, code })
    active.dec({ path: this.#path })
    if (outcome === 'finished') duration.observe({ path: this.#path }, (performance.now() - this.#start) / 1000)
  }
}
