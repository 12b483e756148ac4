import { Counter, Gauge, type Registry } from 'prom-client'
import type { EngineStats } from '../../engine/index.ts'
import type { ModelState } from '../service.ts'

/** A number of a model at the moment of a scrape; with more labels, several. */
interface Reading {
  readonly labels?: Readonly<Record<string, string>>
  readonly value: number
}

interface Instrument {
  readonly name: string
  readonly help: string
  readonly label?: string
  readonly read: (state: ModelState) => readonly Reading[]
}

function ofModel(read: (state: ModelState) => number | undefined): Instrument['read'] {
  return (state) => {
    const value = read(state)
    return value === undefined ? [] : [{ value }]
  }
}

function ofEngine(read: (engine: EngineStats) => number): Instrument['read'] {
  return ofModel(({ engine }) => engine && read(engine))
}

function byLabel(label: string, read: (engine: EngineStats) => Readonly<Record<string, number>>): Instrument['read'] {
  return ({ engine }) => (engine ? Object.entries(read(engine)).map(([key, value]) => ({ labels: { [label]: key }, value })) : [])
}

const gauges: readonly Instrument[] = [
  { name: 'model_loaded', help: 'Whether a model is loaded.', read: ofModel(({ loaded }) => (loaded ? 1 : 0)) },
  { name: 'model_users', help: 'Requests that use a model.', read: ofModel(({ users }) => users) },
  { name: 'model_bytes', help: 'Bytes that a model holds, or will hold by estimate.', read: ofModel(({ bytes }) => bytes) },
  {
    name: 'state_bytes',
    help: 'Bytes of keys and values (or other states) of a model.',
    read: ofModel(({ stateBytes }) => stateBytes),
  },
  { name: 'queue_requests', help: 'Requests that wait for a row.', read: ofEngine(({ now }) => now.waiting) },
  { name: 'queue_tokens', help: 'Prompt tokens that wait.', read: ofEngine(({ now }) => now.waitingTokens) },
  { name: 'rows_running', help: 'Sequences that run.', read: ofEngine(({ now }) => now.running) },
  { name: 'rows_parked', help: 'Sequences whose reader does not read.', read: ofEngine(({ now }) => now.parked) },
  {
    name: 'prefix_cache_bytes',
    help: 'Bytes of states that are kept for prompts that begin alike.',
    read: ofModel(({ engine }) => engine?.prefixCache?.bytes),
  },
  {
    name: 'prefix_cache_states',
    help: 'States that are kept for prompts that begin alike.',
    read: ofModel(({ engine }) => engine?.prefixCache?.states),
  },
  {
    name: 'engine_step_longest_seconds',
    help: 'The longest step of an engine.',
    read: ofEngine(({ stepTime }) => stepTime.longest / 1000),
  },
]

const counters: readonly Instrument[] = [
  { name: 'engine_steps_total', help: 'Steps of an engine.', read: ofEngine(({ steps }) => steps) },
  {
    name: 'engine_step_seconds_total',
    help: 'Time that steps of an engine took.',
    read: ofEngine(({ stepTime }) => stepTime.total / 1000),
  },
  { name: 'engine_cancelled_total', help: 'Sequences left by their readers.', read: ofEngine(({ cancelled }) => cancelled) },
  { name: 'engine_late_total', help: 'Sequences ended by a deadline.', read: ofEngine(({ late }) => late) },
  { name: 'engine_errors_total', help: 'Sequences ended by an error.', read: ofEngine(({ failed }) => failed) },
  { name: 'engine_retried_total', help: 'Steps that failed, and were tried row by row.', read: ofEngine(({ retried }) => retried) },
  {
    name: 'engine_refused_total',
    help: 'Sequences that an engine did not take, by reason.',
    label: 'reason',
    read: byLabel('reason', ({ refused }) => refused),
  },
]

/** Registers what the states of models show. An engine's counters begin anew when its model is loaded again. */
export function observeModels(registry: Registry, models: () => readonly ModelState[]): void {
  for (const instrument of gauges) register(registry, instrument, models, 'gauge')
  for (const instrument of counters) register(registry, instrument, models, 'counter')
}

function register(
  registry: Registry,
  { name, help, label, read }: Instrument,
  models: () => readonly ModelState[],
  kind: 'gauge' | 'counter',
) {
  const labelNames = label === undefined ? ['model'] : ['model', label]
  const common = { name: `nextx_${name}`, help, labelNames, registers: [registry] }
  const readings = () =>
    models().flatMap((state) => read(state).map((one) => ({ ...one, labels: { model: state.name, ...one.labels } })))
  if (kind === 'gauge') {
    new Gauge({
      ...common,
      collect() {
        this.reset()
        for (const { labels, value } of readings()) this.set(labels, value)
      },
    })
    return
  }
  new Counter({
    ...common,
    collect() {
      this.reset()
      for (const { labels, value } of readings()) this.inc(labels, value)
    },
  })
}
