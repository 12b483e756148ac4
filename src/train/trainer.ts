import { OptionError } from '../base/errors.ts'
import type { Device } from '../platform/device.ts'
import {
  type Assignment,
  add,
  assign,
  cast,
  divide,
  expand,
  float32,
  gradients,
  scalar,
  type Tensor,
  Variable,
} from '../tensor/index.ts'
import type { WeightAverage } from './average.ts'
import { clipByGlobalNorm, globalNorm } from './clip.ts'
import { GuardedProgram } from './guarded-program.ts'
import { type Optimizer, zip } from './optimizer.ts'
import type { Feeds, StepGraph } from './step-graph.ts'
import type { TrainingTask } from './task.ts'

export interface TrainerSettings {
  readonly task: TrainingTask
  readonly parameters: readonly Variable[]
  readonly optimizer: Optimizer
  readonly average: WeightAverage | undefined
  /** Limit of the gradients' global norm. */
  readonly clip: number | undefined
  readonly device: Device
}

export interface UpdateResult {
  /** Mean over the batches. */
  readonly loss: number
  readonly parts: Readonly<Record<string, number>>
  /** Before clipping. */
  readonly gradientNorm: number
}

/** Carries out updates. */
export interface Trainer {
  /**
   * @param step the update's number, for messages
   * @throws NonFiniteError before any weight has changed
   */
  update(batches: readonly Feeds[], learningRate: number, step: number): Promise<UpdateResult>
  dispose(): Promise<void>
}

const rateInput = 'learningRate'

/** One program for loss, gradients and update. Takes one batch at a time. */
export function directTrainer(settings: TrainerSettings): Trainer {
  const { task, parameters, device } = settings
  if (rateInput in task.inputs) throw new OptionError(`the task has an input ${rateInput}`, { expected: 'another name' })
  const program = new GuardedProgram(
    { ...task.inputs, [rateInput]: float32() },
    ({ [rateInput]: rate, ...inputs }) => {
      const { outputs, slopes, updates, labels } = differentiate(task, parameters, inputs)
      const update = applied(settings, slopes, rate!)
      const norms = { 'gradient norm': update.norm }
      return { outputs: { ...outputs, ...norms }, assignments: [...update.assignments, ...updates], labels }
    },
    ['loss', 'gradient norm'],
    device,
  )
  return {
    async update([batch], learningRate, step) {
      const outputs = await program.run({ ...batch, [rateInput]: Float32Array.of(learningRate) }, `step ${step}`)
      return resultOf([outputs], outputs['gradient norm']!)
    },
    dispose: () => program.dispose(),
  }
}

/** Sums the gradients of several batches, then updates with their mean: the memory of one batch, the gradient of all. */
export function accumulatingTrainer(settings: TrainerSettings, count: number): Trainer {
  const { task, parameters, device } = settings
  const sums = parameters.map(
    ({ concreteShape, dtype, name }) => new Variable({ shape: concreteShape, dtype, name: `sum:${name}` }),
  )
  const collect = new GuardedProgram(
    task.inputs,
    (inputs) => {
      const { outputs, slopes, updates, labels } = differentiate(task, parameters, inputs)
      const collected = zip(sums, slopes).map(([total, slope]) => assign(total, add(total, slope)))
      return { outputs: { ...outputs, 'gradient norm': globalNorm(slopes) }, assignments: [...collected, ...updates], labels }
    },
    ['loss', 'gradient norm'],
    device,
  )
  const apply = new GuardedProgram(
    { [rateInput]: float32() },
    (inputs) => appliedSums(settings, sums, count, inputs[rateInput]!),
    ['gradient norm'],
    device,
  )
  return {
    async update(batches, learningRate, step) {
      const runs = []
      for (const [i, batch] of batches.entries()) runs.push(await collect.run(batch, `batch ${i + 1} of ${count} of step ${step}`))
      const norms = await apply.run({ [rateInput]: Float32Array.of(learningRate) }, `step ${step}`)
      return resultOf(runs, norms['gradient norm']!)
    },
    async dispose() {
      await collect.dispose()
      await apply.dispose()
      for (const total of sums) await total.dispose()
    },
  }
}

/** The program of the validation loss. */
export function lossProgram(task: TrainingTask, device: Device): GuardedProgram {
  const build = (inputs: Readonly<Record<string, Tensor>>): StepGraph => {
    const { outputs, labels } = lossOf(task, inputs)
    return { outputs: { loss: outputs.loss! }, assignments: [], labels }
  }
  return new GuardedProgram(task.inputs, build, ['loss'], device)
}

function lossOf(task: TrainingTask, inputs: Readonly<Record<string, Tensor>>) {
  const { total, parts = {}, updates = [] } = task.loss(inputs)
  const named = Object.entries(parts).map(([name, part]) => [`part ${name}`, cast(part, 'float32')] as const)
  const outputs: Record<string, Tensor> = { ...Object.fromEntries(named), loss: cast(total, 'float32') }
  return { total, outputs, updates, labels: new Map([[total, 'the loss']]) }
}

function differentiate(task: TrainingTask, parameters: readonly Variable[], inputs: Readonly<Record<string, Tensor>>) {
  const { total, outputs, updates, labels } = lossOf(task, inputs)
  const slopes = gradients(total, parameters)
  for (const [parameter, slope] of zip(parameters, slopes)) labels.set(slope, `the gradient of ${parameter.label}`)
  return { outputs, slopes, updates, labels }
}

function applied({ clip, optimizer, average }: TrainerSettings, slopes: readonly Tensor[], rate: Tensor) {
  const clipped = clip === undefined ? { gradients: slopes, norm: globalNorm(slopes) } : clipByGlobalNorm(slopes, clip)
  const updates = optimizer.update(clipped.gradients, rate)
  const assignments: Assignment[] = [...updates, ...(average?.update(updates) ?? [])]
  return { norm: clipped.norm, assignments }
}

function appliedSums(settings: TrainerSettings, sums: readonly Variable[], count: number, rate: Tensor): StepGraph {
  const means = sums.map((total) => divide(total, count))
  const { norm, assignments } = applied(settings, means, rate)
  const cleared = sums.map((total) => assign(total, expand(scalar(0, total.dtype), total.shape)))
  const labels = new Map(zip(settings.parameters, means).map(([parameter, mean]) => [mean, `the gradient of ${parameter.label}`]))
  return { outputs: { 'gradient norm': norm }, assignments: [...assignments, ...cleared], labels }
}

function resultOf(runs: readonly Readonly<Record<string, number>>[], gradientNorm: number): UpdateResult {
  const mean = (name: string) => runs.reduce((total, run) => total + run[name]!, 0) / runs.length
  const parts = Object.keys(runs[0]!).filter((name) => name.startsWith('part '))
  return {
    loss: mean('loss'),
    parts: Object.fromEntries(parts.map((name) => [name.slice('part '.length), mean(name)])),
    gradientNorm,
  }
}
