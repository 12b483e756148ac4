import { distanceOf, gate, pictureBench, ratioOf } from './image/compare.ts'

export const bench = pictureBench({
  title: 'Masked generation (MaskGIT, Meissonic): 8 steps against raster order, the same tokens',
  cards: ['148'],
  arms: ['raster', 'maskgit'],
  ratios: { 'raster / masked time a picture': ['raster', 'maskgit'] },
  async gates(found) {
    const { sampling } = found.outcomes.maskgit![0]!.arm
    const random = await found.distances('maskgit', { ...sampling, selection: 'random' })
    return [
      gate('backbone calls', found.one.maskgit!.backboneCalls, '≤ 8', true),
      gate('masked / raster FD64', distanceOf(found, 'maskgit') / distanceOf(found, 'raster'), '≤ 1.15'),
      gate('confident / random choice FD64, 8 steps', distanceOf(found, 'maskgit') / random.median, '≤ 1'),
      gate('raster / masked time a picture, batch 1', ratioOf(found.one.raster!, found.one.maskgit!).median, '≥ 1'),
    ]
  },
  notes: ['Not run: text, compression, the gain of the mask-rate condition'],
})
