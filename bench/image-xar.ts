import { arms } from './image/arms.ts'
import { distanceOf, outcomeMetrics, pictureBench } from './image/compare.ts'
import { armOutcome } from './image/train-arm.ts'
import { gate } from './lib/gate.ts'

export const bench = pictureBench({
  title: 'xAR: rows of latents by flow matching, noisy against clean context in training',
  cards: ['44'],
  arms: ['xar', 'xar-clean'],
  seeds: [1, 2],
  timed: { xar: { arm: 'xar' } },
  async gates(found) {
    const disturbed = async (arm: string) => {
      const { sampling } = arms[arm]!
      return (await found.scores(arm, { ...sampling, contextNoise: 0.2 })).FD64.median
    }
    const [noisy, clean] = [await disturbed('xar'), await disturbed('xar-clean')]
    return [
      gate('backbone calls: 7 groups × 20 steps + 6 clean copies', found.one.xar!.backboneCalls, '≤ 146', true),
      gate('noisy / clean context FD64', distanceOf(found, 'xar') / distanceOf(found, 'xar-clean'), '≤ 1'),
      gate(
        'rise of FD64 by noise 0.2 in the context, noisy / clean',
        noisy / distanceOf(found, 'xar') / (clean / distanceOf(found, 'xar-clean')),
        '≤ 1',
      ),
    ]
  },
  async tables({ quick }) {
    return { 'xar-image, one seed': outcomeMetrics([await armOutcome({ name: 'xar-image', seed: 1, quick })]) }
  },
  notes: [
    'The card asks for CIFAR-10 and cells of 4; 7×7 latents divide into rows only. Of the units, a whole image (xar-image) is there beside rows; values, subsamples and scales were not run',
  ],
})
