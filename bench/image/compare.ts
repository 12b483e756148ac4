import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { generateCodes, type ImageModel, type SampleOptions } from 'nextx/systems'
import type { Bench, Findings, Gate, Metric } from '../lib/result.ts'
import { summarise } from '../lib/statistics.ts'
import { arms, recipe, type Sampling, sampleOptions } from './arms.ts'
import { openArmDevice } from './setup.ts'
import { type ArmOutcome, type ArmScores, armModel, armOutcome, armScores } from './train-arm.ts'

export type Timings = Readonly<Record<string, Timing>>

export type Outcomes = Readonly<Record<string, readonly ArmOutcome[]>>

const script = fileURLToPath(new URL('./run-arm.ts', import.meta.url))

/** Every arm with every seed, one after another, each in a process of its own, whose memory is its own too. What `runs` has is taken from there. */
async function outcomesOf(names: readonly string[], seeds: readonly number[], quick: boolean): Promise<Outcomes> {
  const all: Record<string, ArmOutcome[]> = {}
  for (const name of names) {
    all[name] = []
    for (const seed of seeds) {
      const flags = quick ? ['--quick'] : []
      execFileSync(process.execPath, [...process.execArgv, script, name, String(seed), ...flags], {
        stdio: ['ignore', 'ignore', 'inherit'],
      })
      all[name].push(await armOutcome({ name, seed, quick }))
    }
  }
  return all
}

export interface SampleMetrics extends Record<string, Metric> {
  readonly FD64: Metric
  readonly ACC: Metric
}

/** What a comparison found; its gates read it. */
export interface Found {
  readonly quick: boolean
  readonly outcomes: Outcomes
  /** At batch 1 and 16. */
  readonly one: Timings
  readonly many: Timings
  /** What an arm's samples are worth over the seeds, drawn in another way than its own. */
  scores(arm: string, sampling: Sampling): Promise<SampleMetrics>
}

export interface Comparison {
  readonly title: string
  readonly cards: readonly string[]
  /** Arms to train and judge. */
  readonly arms: readonly string[]
  /** Seeds of the trainings. Default: 1, 2, 3. */
  readonly seeds?: readonly number[]
  /** Ways of sampling whose speed is measured. Default: every arm as it is judged. */
  readonly timed?: Readonly<Record<string, TimedArm>>
  /** Ratios of time, by name: the first arm's over the second's. */
  readonly ratios?: Readonly<Record<string, readonly [string, string]>>
  readonly gates: (found: Found) => readonly Gate[] | Promise<readonly Gate[]>
  /** Figures without a gate: rows of tables. */
  readonly tables?: (found: Found) => Promise<Readonly<Record<string, Readonly<Record<string, Metric>>>>>
  readonly notes: readonly string[]
}

/** A benchmark that trains and judges arms, times their samplers in turn, and holds them to a card. */
export function pictureBench(comparison: Comparison): Bench {
  const { title, cards, arms: names, ratios = {}, notes } = comparison
  const timed = comparison.timed ?? Object.fromEntries(names.map((arm) => [arm, { arm }]))
  return {
    title,
    cards,
    async run({ quick }): Promise<Findings> {
      const seeds = quick ? [1] : (comparison.seeds ?? [1, 2, 3])
      const outcomes = await outcomesOf(names, seeds, quick)
      const one = await timings(timed, { batch: 1, rounds: quick ? 2 : 5, quick })
      const many = await timings(timed, { batch: 16, rounds: quick ? 2 : 3, quick })
      const trained = Object.entries(outcomes).map(([name, each]) => [name, outcomeMetrics(each)] as const)
      const speeds = Object.keys(timed).map(
        (name) => [name, { ...timingMetrics(one[name]!, 1), ...timingMetrics(many[name]!, 16) }] as const,
      )
      const found: Found = { quick, outcomes, one, many, scores: (arm, sampling) => scoresOf(arm, sampling, seeds, quick) }
      const tables = (await comparison.tables?.(found)) ?? {}
      return {
        arms: merged([...trained, ...speeds, ...Object.entries(tables)]),
        ratios: Object.fromEntries(
          Object.entries(ratios).flatMap(([name, [a, b]]) => [
            [`${name}, batch 1`, ratioOf(one[a]!, one[b]!)],
            [`${name}, batch 16`, ratioOf(many[a]!, many[b]!)],
          ]),
        ),
        gates: await comparison.gates(found),
        notes: [...notes, ...notesOf(outcomes, seeds)],
        seeds,
        versions: { 'onnxruntime-node': '1.30.0' },
      }
    },
  }
}

async function scoresOf(name: string, sampling: Sampling, seeds: readonly number[], quick: boolean): Promise<SampleMetrics> {
  const all: ArmScores[] = []
  for (const seed of seeds) all.push(await armScores({ name, seed, quick }, { sampling }))
  return {
    FD64: metric(
      all.map(({ frechetDistance }) => frechetDistance),
      '',
    ),
    ACC: metric(
      all.map(({ accuracy }) => 100 * accuracy),
      '%',
    ),
  }
}

function merged(parts: readonly (readonly [string, Record<string, Metric>])[]): Record<string, Record<string, Metric>> {
  const all: Record<string, Record<string, Metric>> = {}
  for (const [name, metrics] of parts) all[name] = { ...all[name], ...metrics }
  return all
}

function notesOf(outcomes: Outcomes, seeds: readonly number[]): string[] {
  const { steps, batch } = recipe
  const judged = Object.values(outcomes)[0]?.[0]?.judged
  const few = seeds.length === 1 ? ['one seed: differences of FD64 and ACC may be chance'] : []
  return [
    `28×28 pictures, the first 30,000 of Fashion-MNIST for training; ${steps} updates of ${batch} unless the arm says otherwise; judged on ${judged} samples, or as many as half of the held-out pictures`,
    'Time a picture is that of its values; turning them into pixels is not in it. One thread',
    ...few,
  ]
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
    'memory of training': of(({ peakMemory }) => peakMemory, 'MB'),
    training: of(({ trainingSeconds }) => trainingSeconds, 's'),
    'trained pictures': of(({ trainedPicturesPerSecond }) => trainedPicturesPerSecond, '/s'),
  }
}

export interface TimedArm {
  readonly arm: string
  readonly sampling?: Sampling
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
): Promise<Timings> {
  await using device = await openArmDevice()
  const models = new Map<string, ImageModel>()
  const found: Record<string, { secondsPerPicture: number[]; backboneCalls: number; headCalls: number }> = {}
  for (const [name, { arm }] of Object.entries(timed)) models.set(name, await armModel({ name: arm, seed: 1, quick }, device))
  for (let round = -1; round < rounds; round++) {
    for (const [name, { arm, sampling }] of Object.entries(timed)) {
      const drawn = await timedDraw(models.get(name)!, batch, round, sampleOptions({ ...arms[arm]!.sampling, ...sampling }))
      const before = found[name]?.secondsPerPicture ?? []
      // Calls of the latest round: the first may calibrate.
      found[name] = { secondsPerPicture: before, backboneCalls: drawn.backboneCalls, headCalls: drawn.headCalls }
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

/** The median distance of an arm over its seeds. */
export function distanceOf({ outcomes }: Found, arm: string): number {
  return medianOf(outcomes[arm]!.map(({ frechetDistance }) => frechetDistance))
}

/** The median accuracy of an arm over its seeds, in percent. */
export function accuracyOf({ outcomes }: Found, arm: string): number {
  return 100 * medianOf(outcomes[arm]!.map(({ accuracy }) => accuracy))
}

export function medianOf(values: readonly number[]): number {
  return summarise(values).median
}

export function ratioOf(a: Timing, b: Timing) {
  return summarise(a.secondsPerPicture.map((seconds, i) => seconds / b.secondsPerPicture[i]!))
}
