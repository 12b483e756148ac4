import { respace, type SpacedSchedule } from '../../decode/index.ts'
import type { SampleOptions } from '../image-system.ts'
import type { StepPlace } from './arms.ts'

/**
 * The timesteps of the diffusion at each step of samples that take one of these numbers of steps; the same object for the same timesteps. Throws
 * OptionError on counts that are no whole numbers from 1 to the timesteps trained on.
 */
export function schedulesOf({ innerSteps = 50 }: SampleOptions, alphas: Float64Array, totals: ReadonlySet<number>) {
  const spaced = new Map<number, SpacedSchedule>()
  const own = [...totals].map((steps) => {
    const counts = Array.from({ length: steps }, (_, step) =>
      typeof innerSteps === 'number' ? innerSteps : innerSteps(step, steps),
    )
    for (const count of counts) if (!spaced.has(count)) spaced.set(count, respace(alphas, count))
    return [steps, counts.map((count) => spaced.get(count)!)] as const
  })
  const schedules = new Map(own)
  return ({ step, steps }: StepPlace): SpacedSchedule => schedules.get(steps)![step]!
}

/** Vectors that are diffused alike, together. */
export function grouped<Chosen extends StepPlace>(
  picks: readonly Chosen[],
  scheduleOf: (place: StepPlace) => SpacedSchedule,
): Map<SpacedSchedule, Chosen[]> {
  const groups = new Map<SpacedSchedule, Chosen[]>()
  for (const pick of picks) {
    const schedule = scheduleOf(pick)
    const group = groups.get(schedule)
    if (group === undefined) groups.set(schedule, [pick])
    else group.push(pick)
  }
  return groups
}
