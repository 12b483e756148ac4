import { arms } from './image/arms.ts'
import { pictureBench } from './image/compare.ts'
import { gate } from './lib/gate.ts'

const schedules = { '4 steps': [1, 3, 5, 7], '5 steps': [1, 2, 3, 5, 7], '6 steps': [1, 2, 3, 4, 5, 7] } as const

export const bench = pictureBench({
  title: 'FlexVAR: one model, any schedule of scales',
  cards: ['60'],
  arms: ['flexvar'],
  seeds: [1, 2],
  timed: Object.fromEntries(
    Object.entries(schedules).map(([name, schedule]) => [name, { arm: 'flexvar', sampling: { schedule } }]),
  ),
  async gates({ one, scores }) {
    const { sampling } = arms.flexvar!
    const distances = []
    for (const schedule of Object.values(schedules))
      distances.push((await scores('flexvar', { ...sampling, schedule })).FD64.median)
    return [
      gate('worst / best FD64 of 4, 5 and 6 steps', Math.max(...distances) / Math.min(...distances), '≤ 1.5'),
      gate('backbone calls of 6 steps', one['6 steps']!.backboneCalls, '≤ 6', true),
    ]
  },
  notes: ['Not run: VAR off its schedule, other sizes than the trained one, refinement'],
})
