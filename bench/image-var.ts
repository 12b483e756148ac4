import { accuracyOf, distanceOf, outcomeMetrics, pictureBench, ratioOf } from './image/compare.ts'
import { armOutcome } from './image/train-arm.ts'
import { gate } from './lib/gate.ts'

export const bench = pictureBench({
  title: 'VAR: next scale against raster order',
  cards: ['54'],
  arms: ['raster', 'var'],
  ratios: { 'raster / VAR time a picture': ['raster', 'var'] },
  gates: (found) => [
    gate('raster / VAR backbone calls', found.one.raster!.backboneCalls / found.one.var!.backboneCalls, '≥ 8', true),
    gate('raster / VAR time a picture, batch 1', ratioOf(found.one.raster!, found.one.var!).median, '≥ 4'),
    gate('VAR / raster FD64', distanceOf(found, 'var') / distanceOf(found, 'raster'), '≤ 1'),
    gate('VAR: ACC, %', accuracyOf(found, 'var'), '≥ 85'),
  ],
  async tables({ quick }) {
    const long = async (name: string) => outcomeMetrics([await armOutcome({ name, seed: 1, quick })])
    return { 'raster, 3,000 updates, one seed': await long('raster-long'), 'var, 3,000 updates, one seed': await long('var-long') }
  },
  notes: [
    '88 tokens on 5 scales against 49 in raster order, each with a tokenizer of its own, trained alike; the card would allow an FD64 1.1 times as large',
    'Guidance 1.5 for raster, rising from 1 to 3 for VAR: for each the best of 15 ways, on pictures that are neither learnt from nor tested on (search.ts)',
  ],
})
