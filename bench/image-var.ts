import { gate, medianOf, outcomeMetrics, outcomesOf, ratioOf, seeds, timingMetrics, timings } from './image/compare.ts'
import type { Bench, Findings } from './lib/result.ts'

const names = ['raster', 'var']

export const bench: Bench = {
  title: 'VAR: next scale against raster order, the same data, sizes and updates',
  cards: ['54'],
  async run({ quick }): Promise<Findings> {
    const outcomes = await outcomesOf(names, quick)
    const timed = { raster: { arm: 'raster' }, var: { arm: 'var' } }
    const [one, many] = [
      await timings(timed, { batch: 1, rounds: 7, quick }),
      await timings(timed, { batch: 16, rounds: 5, quick }),
    ]
    const distance = (name: string) => medianOf(outcomes[name]!.map(({ frechetDistance }) => frechetDistance))
    const accuracy = 100 * medianOf(outcomes.var!.map(({ accuracy }) => accuracy))
    const calls = one.raster!.backboneCalls / one.var!.backboneCalls
    const time = ratioOf(one.raster!, one.var!)
    return {
      arms: Object.fromEntries(
        names.map((name) => [
          name,
          { ...outcomeMetrics(outcomes[name]!), ...timingMetrics(one[name]!, 1), ...timingMetrics(many[name]!, 16) },
        ]),
      ),
      ratios: {
        'raster / VAR, time a picture, batch 1': time,
        'raster / VAR, time a picture, batch 16': ratioOf(many.raster!, many.var!),
      },
      gates: [
        gate('raster / VAR backbone calls', calls, '≥ 8', true),
        gate('raster / VAR time a picture, batch 1', time.median, '≥ 4'),
        gate('VAR / raster FD64', distance('var') / distance('raster'), '≤ 1.1'),
        gate('VAR: ACC, %', accuracy, '≥ 85'),
      ],
      notes: [
        '88 tokens on 5 scales against 49 in raster order; each order with a tokenizer of its own, trained alike; guidance 1.5',
      ],
      seeds,
      versions: { 'onnxruntime-node': '1.30.0' },
    }
  },
}
