import { generateCodes, type ImageModel, type SampleOptions } from 'nextx/systems'
import type { Gate, Metric } from '../lib/result.ts'
import { summarise } from '../lib/statistics.ts'
import { arms } from './arms.ts'
import { openArmDevice } from './setup.ts'
import { type ArmOutcome, armModel, armOutcome } from './train-arm.ts'

export type Outcomes = Readonly<Record<string, readonly ArmOutcome[]>>

/** Seeds of the trainings. */
export const seeds = [1, 2, 3]

/** Every arm with every seed, one after another: what `runs` has is taken from there. */
export async function outcomesOf(names: readonly string[], quick: boolean): Promise<Outcomes> {
  const all: Record<string, ArmOutcome[]> = {}
  for (const name of names) {
    all[name] = []
    for (const seed of quick ? seeds.slice(0, 1) : seeds) all[name].push(await armOutcome(name, arms[name]!, seed, quick))
  }
  return all
}

export function metric(values: readonly number[], unit: string): Metric {
  return { ...summarise(values), unit }
}

/** What training and judging gave, over the seeds. */
export function outcomeMetrics(outcomes: readonly ArmOutcome[]): Record<string, Metric> {
  const of = (pick: (outcome: ArmOutcome) => number, unit: string) => metric(outcomes.map(pick), unit)
  return {
    parameters: of(({ parameters }) => parameters, ''),
    'validation loss': of(({ validationLoss }) => validationLoss, 'nats, or squared error'),
    FD64: of(({ frechetDistance }) => frechetDistance, ''),
    'FD64 of real pictures': of(({ floor }) => floor, ''),
    ACC: of(({ accuracy }) => 100 * accuracy, '%'),
    'ACC of real pictures': of(({ ceiling }) => 100 * ceiling, '%'),
    training: of(({ trainingSeconds }) => trainingSeconds, 's'),
    'trained pictures': of(({ trainedPicturesPerSecond }) => trainedPicturesPerSecond, '/s'),
  }
}

export interface TimedArm {
  readonly arm: string
  readonly sampling?: SampleOptions
}

export interface Timing {
  /** One value per round. */
  readonly secondsPerPicture: readonly number[]
  readonly backboneCalls: number
  readonly headCalls: number
}

/**
 * Seconds a picture of the arms' first models, in turn, warm, on one thread, for a batch size; and network calls of one generation.
 */
export async function timings(
  timed: Readonly<Record<string, TimedArm>>,
  { batch, rounds, quick }: { readonly batch: number; readonly rounds: number; readonly quick: boolean },
): Promise<Readonly<Record<string, Timing>>> {
  await using device = await openArmDevice()
  const models = new Map<string, ImageModel>()
  const found: Record<string, { secondsPerPicture: number[]; backboneCalls: number; headCalls: number }> = {}
  for (const [name, { arm }] of Object.entries(timed)) models.set(name, await armModel(arm, seeds[0]!, quick, device))
  for (let round = -1; round < rounds; round++) {
    for (const [name, { arm, sampling }] of Object.entries(timed)) {
      const drawn = await timedDraw(models.get(name)!, batch, round, { ...arms[arm]!.sampling, ...sampling })
      found[name] ??= { secondsPerPicture: [], backboneCalls: drawn.backboneCalls, headCalls: drawn.headCalls }
      if (round >= 0) found[name].secondsPerPicture.push(drawn.seconds / batch)
    }
  }
  for (const model of models.values()) await model[Symbol.asyncDispose]()
  return found
}

async function timedDraw(model: ImageModel, batch: number, round: number, sampling: SampleOptions) {
  const before = { ...model.sampler.evaluations }
  const start = performance.now()
  await generateCodes(model, {
    classes: Array.from({ length: batch }, (_, i) => i % model.classes.length),
    seed: 7 + round,
    ...sampling,
  })
  const seconds = (performance.now() - start) / 1000
  const { backbone, head } = model.sampler.evaluations
  return { seconds, backboneCalls: backbone - before.backbone, headCalls: head - before.head }
}

export function timingMetrics({ secondsPerPicture, backboneCalls, headCalls }: Timing, batch: number): Record<string, Metric> {
  const milliseconds = secondsPerPicture.map((seconds) => 1000 * seconds)
  return {
    [`time a picture, batch ${batch}`]: metric(milliseconds, 'ms'),
    [`pictures, batch ${batch}`]: metric(
      secondsPerPicture.map((seconds) => 1 / seconds),
      '/s',
    ),
    'backbone calls': metric([backboneCalls], ''),
    ...(headCalls > 0 && { 'head calls': metric([headCalls], '') }),
  }
}

/** A gate on a number, with its unit in the text. */
export function gate(name: string, got: number, want: `${'≤' | '≥'} ${number}`, hard = false): Gate {
  const limit = Number(want.slice(2))
  return { name, want, got: got.toPrecision(4), pass: want.startsWith('≤') ? got <= limit : got >= limit, hard }
}

export function medianOf(values: readonly number[]): number {
  return summarise(values).median
}

export function ratioOf(a: Timing, b: Timing) {
  return summarise(a.secondsPerPicture.map((seconds, i) => seconds / b.secondsPerPicture[i]!))
}

/** `true` when the medians of two arms' distances differ by more than twice the deviation between seeds. */
export function beyondNoise(a: readonly ArmOutcome[], b: readonly ArmOutcome[]): boolean {
  const values = (outcomes: readonly ArmOutcome[]) => outcomes.map(({ frechetDistance }) => frechetDistance)
  const deviation = (list: readonly number[]) => {
    const mean = list.reduce((sum, x) => sum + x, 0) / list.length
    return Math.sqrt(list.reduce((sum, x) => sum + (x - mean) ** 2, 0) / Math.max(1, list.length - 1))
  }
  const [first, second] = [values(a), values(b)]
  return Math.abs(medianOf(first) - medianOf(second)) > 2 * Math.max(deviation(first), deviation(second))
}
