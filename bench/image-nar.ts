import { distanceOf, pictureBench, ratioOf } from './image/compare.ts'
import { gate } from './lib/gate.ts'

export const bench = pictureBench({
  title: 'NAR: diagonals against raster order, the same tokens',
  cards: ['49'],
  arms: ['raster', 'nar'],
  ratios: { 'raster / NAR time a picture': ['raster', 'nar'] },
  gates: (found) => [
    gate('backbone calls for 7×7 tokens', found.one.nar!.backboneCalls, '≤ 13', true),
    gate('raster / NAR time a picture, batch 1', ratioOf(found.one.raster!, found.one.nar!).median, '≥ 2.5'),
    gate('NAR / raster FD64', distanceOf(found, 'nar') / distanceOf(found, 'raster'), '≤ 1'),
  ],
  notes: ['Not run: four regions in parallel, and one head alone'],
})
