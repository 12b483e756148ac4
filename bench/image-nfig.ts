import { distanceOf, pictureBench, ratioOf } from './image/compare.ts'
import { gate } from './lib/gate.ts'

export const bench = pictureBench({
  title: 'NFIG: bands of frequency against scales',
  cards: ['25'],
  arms: ['var', 'nfig'],
  ratios: { 'VAR / NFIG time a picture': ['var', 'nfig'] },
  gates: (found) => [
    gate('NFIG / VAR FD64', distanceOf(found, 'nfig') / distanceOf(found, 'var'), '≤ 1'),
    gate('NFIG / VAR backbone calls', found.one.nfig!.backboneCalls / found.one.var!.backboneCalls, '≤ 1', true),
    gate('VAR / NFIG time a picture, batch 1', ratioOf(found.one.var!, found.one.nfig!).median, '≥ 1'),
  ],
  notes: ['84 tokens in 4 bands against 88 on 5 scales. That bands tile the spectrum is held by tests, not measured here'],
})
