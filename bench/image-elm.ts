import { distanceOf, pictureBench } from './image/compare.ts'
import { gate } from './lib/gate.ts'

export const bench = pictureBench({
  title: 'ELM: the raster baseline, vector-quantised tokens',
  cards: ['150'],
  arms: ['raster'],
  timed: {
    raster: { arm: 'raster' },
    'raster, linear guidance': { arm: 'raster', sampling: { guidance: ['linear', 1.5] } },
  },
  gates: (found) => [
    gate('FD64 / that of real pictures', distanceOf(found, 'raster') / found.outcomes.raster![0]!.floor, '≤ 10'),
    gate('backbone calls for 49 tokens', found.one.raster!.backboneCalls, '≤ 49', true),
  ],
  notes: ['The card also compares code usage, split bits and attention distances: not run here'],
})
