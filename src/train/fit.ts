import { DataError, MismatchError, OptionError } from '../base/errors.ts'
import { checkOptions, nonNegative } from '../base/options.ts'
import { nameVariables, parameterCount, parameters } from '../nn/index.ts'
import { appendLine, makeDirectory } from '../platform/files.ts'
import { pathIn, removeUnfinished } from '../platform/folders.ts'
import type { Inputs, Variable } from '../tensor/index.ts'
import { adamw } from './adamw.ts'
import type { WeightAverage } from './average.ts'
import {
  type Checkpoint,
  checkpointSteps,
  latestCheckpoint,
  type Progress,
  pruneCheckpoints,
  restoreCheckpoint,
  writeCheckpoint,
} from './checkpoint.ts'
import { validated } from './early-stopping.ts'
import type { FitEvent, FitReport, StopReason } from './fit-events.ts'
import { checkFitOptions, type FitOptions } from './fit-options.ts'
import type { GuardedProgram } from './guarded-program.ts'
import { saveModule } from './model-files.ts'
import type { Optimizer } from './optimizer.ts'
import { constant, type Schedule } from './schedules.ts'
import type { TrainingTask } from './task.ts'
import { accumulatingTrainer, directTrainer, lossProgram, type Trainer } from './trainer.ts'

/**
 * Trains a module. The same task and options give the same weights, to the bit, however often the run is stopped, killed and resumed.
 * At the end the module holds the last weights, or their average when `average` is given.
 * @throws OptionError; NonFiniteError when a loss or gradient is not finite, naming the step and the tensor it began with, before any
 * weight has changed; MismatchError when a checkpoint does not fit the task; DataError when files cannot be read or written
 * @example
 * class Line { readonly slope = parameter([1], ones) }
 * const line = new Line()
 * await initialize(line, createRng(1))
 * const task = {
 *   module: line, inputs: { x: float32(8), y: float32(8) },
 *   loss: ({ x, y }) => ({ total: mean(square(subtract(multiply(x, line.slope), y))) }),
 *   batchAt: (step) => ({ x: new Float32Array(8).fill(step), y: new Float32Array(8).fill(2 * step) }),
 * } satisfies TrainingTask<{ x: InputSpec; y: InputSpec }>
 * const report = await fit(task, { device, steps: 100, learningRate: 0.01, folder: 'runs/line' })
 */
export async function fit<I extends Inputs>(task: TrainingTask<I>, options: FitOptions): Promise<FitReport> {
  const plain = task as unknown as TrainingTask
  checkFitOptions(plain, options)
  const run = new FitRun(plain, options)
  try {
    await run.open()
    return await run.train()
  } catch (error) {
    await run.failed(error)
    throw error
  } finally {
    await run.close()
  }
}

class FitRun {
  readonly #task: TrainingTask
  readonly #options: FitOptions
  readonly #parameters: readonly Variable[]
  readonly #optimizer: Optimizer
  readonly #average: WeightAverage | undefined
  readonly #rate: Schedule
  readonly #batchesPerStep: number
  readonly #trainer: Trainer
  readonly #validator: GuardedProgram | undefined
  #progress: Progress = { step: 0, batches: 0, best: null, waiting: null }
  #loss: number | undefined
  #checkpoint: string | undefined

  constructor(task: TrainingTask, options: FitOptions) {
    const { device, clip, accumulate = 1, learningRate, optimizer = adamw() } = options
    nameVariables(task.module)
    this.#task = task
    this.#options = options
    this.#parameters = parameters(task.module)
    if (this.#parameters.length === 0) throw new OptionError('the module has no parameters to train', { fix: 'unfreeze some' })
    this.#optimizer = optimizer(this.#parameters)
    this.#average = options.average?.(this.#parameters)
    this.#rate = typeof learningRate === 'number' ? constant(learningRate) : learningRate
    this.#batchesPerStep = accumulate
    const settings = { task, parameters: this.#parameters, optimizer: this.#optimizer, average: this.#average, clip, device }
    this.#trainer = accumulate === 1 ? directTrainer(settings) : accumulatingTrainer(settings, accumulate)
    this.#validator = options.validateEvery === undefined ? undefined : lossProgram(task, device)
  }

  /** Everything up to the first update: folders, and the state of a former run. */
  async open(): Promise<void> {
    const { folder } = this.#options
    await this.#average?.reset()
    const resumed = folder === undefined ? {} : await this.#resume(folder)
    const { step } = this.#progress
    const values = parameterCount(this.#task.module)
    await this.#emit({ kind: 'started', step, steps: this.#options.steps, parameters: values, ...resumed })
  }

  async train(): Promise<FitReport> {
    let reason = this.#reasonToStop()
    while (reason === undefined) {
      await this.#update()
      if (this.#isDue(this.#options.validateEvery)) await this.#validate()
      reason = this.#reasonToStop()
      const { folder, checkpointEvery = 1000 } = this.#options
      if (folder !== undefined && (reason !== undefined || this.#isDue(checkpointEvery))) await this.#writeCheckpoint(folder)
    }
    await this.#average?.swap()
    const { step, best } = this.#progress
    await this.#emit({ kind: 'stopped', step, reason })
    return { stopped: reason, step, loss: this.#loss, best: best ?? undefined, checkpoint: this.#checkpoint }
  }

  /** The failure itself matters more than one to report it. */
  async failed(error: unknown): Promise<void> {
    const problem = error instanceof Error ? error.message : String(error)
    await this.#emit({ kind: 'failed', step: this.#progress.step, problem }).catch(() => undefined)
  }

  /** What cannot be freed is gone already: the device was closed, or crashed. */
  async close(): Promise<void> {
    const parts = [this.#trainer, ...(this.#validator === undefined ? [] : [this.#validator]), ...this.#state()]
    await Promise.allSettled(parts.map((part) => part.dispose()))
  }

  #state(): readonly Variable[] {
    return [...this.#optimizer.state, ...(this.#average?.state ?? [])]
  }

  async #resume(folder: string): Promise<{ resumedFrom?: string; damaged?: readonly { path: string; problem: string }[] }> {
    const { resume = 'auto' } = this.#options
    await makeDirectory(folder)
    await removeUnfinished(folder)
    if (resume === 'never') {
      const [first] = await checkpointSteps(folder)
      if (first === undefined) return {}
      throw new DataError(`'${folder}' holds the checkpoints of another run`, { fix: 'resume it, or use another folder' })
    }
    const { checkpoint, damaged } = await latestCheckpoint(folder)
    if (checkpoint === undefined) {
      if (resume === 'auto') return {}
      throw new DataError(`'${folder}' holds no checkpoint to resume from`, {
        fix: "resume: 'auto' starts anew where there is none",
      })
    }
    this.#checkRun(checkpoint)
    await restoreCheckpoint(checkpoint, this.#task.module, this.#state())
    this.#progress = checkpoint.progress
    this.#checkpoint = checkpoint.path
    return { resumedFrom: checkpoint.path, ...(damaged.length === 0 ? {} : { damaged }) }
  }

  #checkRun({ path, fingerprint: found, progress: { step } }: Checkpoint): void {
    const { steps } = this.#options
    if (step > steps)
      throw new OptionError(`fit: steps is ${steps}, and '${path}' has step ${step}`, { expected: `at least ${step}` })
    const own = this.#task.fingerprint ?? null
    if (found === own) return
    throw new MismatchError(`'${path}' was trained on ${JSON.stringify(found)}`, {
      expected: `${JSON.stringify(own)}, the task's fingerprint`,
      fix: 'resume with the same data and seeds, or use another folder',
    })
  }

  #reasonToStop(): StopReason | undefined {
    const { steps, signal, earlyStopping } = this.#options
    if (this.#progress.step >= steps) return 'finished'
    const { waiting } = this.#progress
    if (earlyStopping !== undefined && waiting !== null && waiting.validations >= earlyStopping.patience) return 'stalled'
    return signal?.aborted === true ? 'aborted' : undefined
  }

  #isDue(every: number | undefined): boolean {
    return every !== undefined && this.#progress.step % every === 0
  }

  async #update(): Promise<void> {
    const started = performance.now()
    const { step: done, batches } = this.#progress
    const step = done + 1
    const learningRate = this.#rate(done)
    checkOptions(nonNegative, Math.fround(learningRate), `learning rate of step ${step}`)
    const feeds = Array.from({ length: this.#batchesPerStep }, (_, i) => this.#task.batchAt(batches + i))
    const { loss, parts, gradientNorm } = await this.#trainer.update(feeds, learningRate, step)
    this.#progress = { ...this.#progress, step, batches: batches + feeds.length }
    this.#loss = loss
    const seconds = (performance.now() - started) / 1000
    await this.#emit({ kind: 'step', step, loss, parts, learningRate, gradientNorm, seconds })
  }

  /** With the averaged weights in place, when there are any. */
  async #validate(): Promise<void> {
    await this.#average?.swap()
    try {
      const { step } = this.#progress
      const loss = await this.#validationLoss()
      this.#progress = validated(this.#progress, loss, this.#options.earlyStopping?.minimumGain)
      const best = this.#progress.best?.step === step
      const { folder, files = {}, onValidation, device } = this.#options
      if (best && folder !== undefined) await saveModule(pathIn(folder, 'best'), this.#task.module, files)
      await this.#emit({ kind: 'validation', step, loss, best })
      await onValidation?.({ step, loss, best, module: this.#task.module, device })
    } finally {
      await this.#average?.swap()
    }
  }

  async #validationLoss(): Promise<number> {
    const validation = this.#task.validation!
    let total = 0
    for (let i = 0; i < validation.batches; i++) {
      const { loss } = await this.#validator!.run(validation.batchAt(i), `validation batch ${i} after step ${this.#progress.step}`)
      total += loss!
    }
    return total / validation.batches
  }

  async #writeCheckpoint(folder: string): Promise<void> {
    const { files = {}, keep = 3 } = this.#options
    const { step } = this.#progress
    const fingerprint = this.#task.fingerprint ?? null
    const path = await writeCheckpoint(folder, {
      module: this.#task.module,
      state: this.#state(),
      progress: this.#progress,
      fingerprint,
      files,
    })
    this.#checkpoint = path
    await pruneCheckpoints(folder, step, keep)
    await this.#emit({ kind: 'checkpoint', step, path })
  }

  async #emit(event: FitEvent): Promise<void> {
    const { log, onEvent } = this.#options
    if (log !== undefined) await appendLine(log, JSON.stringify({ time: new Date().toISOString(), ...event }))
    await onEvent?.(event)
  }
}
