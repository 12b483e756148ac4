import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { dataFile } from './lib/data.ts'
import { gate } from './lib/gate.ts'
import type { Bench, Findings, Metric } from './lib/result.ts'
import { summarise } from './lib/statistics.ts'

const cli = ['dist/cli/main.js']
const script = new URL('./series/many-series.ts', import.meta.url)

interface Run {
  readonly seconds: number
  /** Most memory that the process held. */
  readonly megabytes: number
}

export const bench: Bench = {
  title: 'A forecast from a table, and one model for a thousand series',
  cards: ['31', '101'],
  async run({ quick }): Promise<Findings> {
    const passengers = dataFile('timeseries/classic/Airline.csv')
    const times = quick ? 1 : 3
    const best = Array.from({ length: times }, () => timed([...cli, 'forecast', passengers, '--horizon', '24']))
    const deep = Array.from({ length: times }, () => timed([...cli, 'forecast', passengers, '--horizon', '24', '--model', 'arnet']))
    const many = quick
      ? []
      : ['arnet', 'gpht'].map((model) => ({ model, run: timed([...process.execArgv, fileURLToPath(script), model]) }))
    return {
      arms: {
        'AirPassengers, 24 months, the best of all quick methods': metricsOf(best),
        'AirPassengers, 24 months, arnet beside them': metricsOf(deep),
        ...Object.fromEntries(many.map(({ model, run }) => [`1,000 series × 500 values, ${model}`, metricsOf([run])])),
      },
      ratios: {},
      gates: [
        gate(
          'seconds from the command to the forecast of AirPassengers',
          summarise(best.map(({ seconds }) => seconds)).median,
          '≤ 10',
        ),
        gate('the same with --model arnet', summarise(deep.map(({ seconds }) => seconds)).median, '≤ 10'),
        ...many.map(({ model, run }) => gate(`minutes for 1,000 series × 500 values, ${model}`, run.seconds / 60, '≤ 3')),
      ],
      notes: [
        'Whole processes, the start of Node included; memory is the most that the process held',
        'A thousand daily series: level, trend, week and noise of their own, 500 values; one global model, fitted and asked for 14 steps of each, with intervals from what was held out',
      ],
      seeds: [1],
      versions: {},
    }
  },
}

/** A process of its own; GNU time says what it held. */
function timed(args: readonly string[]): Run {
  const started = performance.now()
  const { status, stderr } = spawnSync('time', ['-f', '%M', process.execPath, ...args], { encoding: 'utf8' })
  if (status !== 0) throw new Error(stderr)
  return { seconds: (performance.now() - started) / 1000, megabytes: Number(stderr.trim().split('\n').at(-1)) / 1024 }
}

function metricsOf(runs: readonly Run[]): Record<string, Metric> {
  return {
    time: { ...summarise(runs.map(({ seconds }) => seconds)), unit: 's' },
    memory: { ...summarise(runs.map(({ megabytes }) => megabytes)), unit: 'MB' },
  }
}
