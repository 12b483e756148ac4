import { arms } from './image/arms.ts'
import { distanceOf, pictureBench, ratioOf, type SampleMetrics } from './image/compare.ts'
import { gate } from './lib/gate.ts'

export const bench = pictureBench({
  title: 'Masked generation (MaskGIT, Meissonic): 8 steps against raster order, the same tokens',
  cards: ['148'],
  arms: ['raster', 'maskgit'],
  ratios: { 'raster / masked time a picture': ['raster', 'maskgit'] },
  async gates(found) {
    const { sampling } = arms.maskgit!
    const random = await found.scores('maskgit', { ...sampling, selection: 'random' })
    return [
      gate('backbone calls', found.one.maskgit!.backboneCalls, '≤ 8', true),
      gate('masked / raster FD64', distanceOf(found, 'maskgit') / distanceOf(found, 'raster'), '≤ 1.15'),
      gate('confident / random choice FD64, 8 steps', distanceOf(found, 'maskgit') / random.FD64.median, '≤ 1'),
      gate('raster / masked time a picture, batch 1', ratioOf(found.one.raster!, found.one.maskgit!).median, '≥ 1'),
    ]
  },
  async tables(found) {
    const { sampling } = arms.maskgit!
    const table: Record<string, SampleMetrics> = {}
    for (const steps of [4, 8, 16]) table[`maskgit, ${steps} steps`] = await found.scores('maskgit', { ...sampling, steps })
    return table
  },
  notes: ['Not run: text, compression, the gain of the mask-rate condition'],
})
