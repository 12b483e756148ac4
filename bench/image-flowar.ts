import { arms } from './image/arms.ts'
import { accuracyOf, distanceOf, pictureBench, type SampleMetrics } from './image/compare.ts'
import { gate } from './lib/gate.ts'

export const bench = pictureBench({
  title: 'FlowAR: scales of continuous latents by flow matching',
  cards: ['26'],
  arms: ['var', 'flowar'],
  seeds: [1, 2],
  timed: Object.fromEntries(
    [5, 10, 20].map((innerSteps) => [`flowar, ${innerSteps} head steps`, { arm: 'flowar', sampling: { innerSteps } }]),
  ),
  async gates(found) {
    const flow = found.outcomes.flowar![0]!
    const few = await found.scores('flowar', { ...arms.flowar!.sampling, innerSteps: 5 })
    return [
      gate('backbone calls', found.one['flowar, 20 head steps']!.backboneCalls, '≤ 4', true),
      gate('ACC / that of real pictures, 20 head steps', accuracyOf(found, 'flowar') / 100 / flow.ceiling, '≥ 0.7'),
      gate('FlowAR / VAR FD64', distanceOf(found, 'flowar') / distanceOf(found, 'var'), '≤ 1'),
      gate('FD64 of 5 / of 20 head steps', few.FD64.median / distanceOf(found, 'flowar'), '≤ 2'),
    ]
  },
  async tables(found) {
    const { sampling } = arms.flowar!
    const table: Record<string, SampleMetrics> = {}
    for (const innerSteps of [5, 10, 20])
      table[`flowar, ${innerSteps} head steps`] = await found.scores('flowar', { ...sampling, innerSteps })
    return table
  },
  notes: [
    'The card asks for CIFAR-10; scales 1, 2, 4, 7 of 7×7 latents do not double throughout. Not run: exchange of the autoencoder',
  ],
})
