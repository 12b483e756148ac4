import type { Layout } from '../../../base/model.ts'
import { createRng } from '../../../base/rng.ts'
import { SerialQueue } from '../../../base/serial.ts'
import type { Device } from '../../../platform/index.ts'
import type { ImageSampler, SampleOptions, SampleRequest, SampleStep } from '../../image-system.ts'
import { BlockRunner, type Counts } from './block-runner.ts'
import { type Calibration, calibrate, cheapest } from './calibration.ts'
import { denoiser } from './denoise.ts'
import { armsOf, type CalibrationData, type Conditions, drawn, type FlowOptions, readRequest, reordered } from './flow-request.ts'
import type { FlowStack } from './flow-stack.ts'
import type { Inverse } from './inverse-plan.ts'
import { type Incident, type Inversion, type Inverted, invert } from './invert.ts'
import { type BlockMetrics, measureBlocks } from './measure.ts'

export interface FlowSamplerOptions {
  readonly layout: Layout
  readonly device: Device
  /** Deviation of the Gaussian noise in training; 0: there was none. */
  readonly noise: number
  /** Whether the flow knows samples without a class. */
  readonly guidable: boolean
}

/** What became of a call, block by block. */
export interface FlowReport {
  readonly plan: readonly Inverse[]
  /** Calls of each block. */
  readonly iterations: readonly number[]
  readonly incidents: readonly Incident[]
}

interface FlowReportInWork extends FlowReport {
  readonly iterations: number[]
  readonly incidents: Incident[]
}

/**
 * Samples of a flow: standard normal numbers, sent through the blocks from the last to the first. Yields after each block, what it has
 * by then as a preview. `temperature` scales the numbers. `guidance` s ≥ 1 is w = s − 1 of `guideAffine`, in the blocks that know the class;
 * as a function, of the slot in the order of the block.
 */
export class FlowSampler implements ImageSampler {
  readonly options = ['guidance', 'temperature', 'special'] as const satisfies readonly (keyof SampleOptions)[]
  readonly #stack: FlowStack
  readonly #settings: FlowSamplerOptions
  readonly #runners: readonly BlockRunner[]
  readonly #queues: readonly SerialQueue[]
  readonly #denoiser: ReturnType<typeof denoiser>
  readonly #counts: Counts = { calls: 0, slots: 0 }
  #denoised = 0
  /** What `auto` learnt last, and of what. */
  #calibrated:
    | { readonly data: CalibrationData | undefined; readonly tolerance: number; readonly calibration: Promise<Calibration> }
    | undefined
  #report: FlowReport | undefined

  constructor(stack: FlowStack, settings: FlowSamplerOptions) {
    this.#stack = stack
    this.#settings = settings
    this.#runners = stack.blocks.map((block) => new BlockRunner(block, settings.device, this.#counts))
    this.#queues = stack.blocks.map(() => new SerialQueue())
    this.#denoiser = denoiser(stack, settings)
  }

  /** Calls of single blocks; denoising is one of each, there and back. */
  get evaluations(): { readonly backbone: number; readonly head: number } {
    return { backbone: this.#counts.calls + 2 * this.#denoised * this.#stack.blocks.length, head: 0 }
  }

  /** Slots that blocks have computed, over all rows. */
  get slotEvaluations(): number {
    return this.#counts.slots
  }

  /** How the last sampling went. */
  get report(): FlowReport | undefined {
    return this.#report
  }

  /** IGM and CRM of every block. */
  async metrics(data: CalibrationData): Promise<readonly BlockMetrics[]> {
    return (await measureBlocks(this.#stack, { device: this.#settings.device, ...data })).metrics
  }

  async *sample(request: SampleRequest): AsyncGenerator<SampleStep> {
    const { labels, rngs, signal, options } = request
    const { special, inverses, temperature, denoises } = readRequest(request, { ...this.#settings, stack: this.#stack })
    const plan = inverses ?? (await this.#planned(special, { labels, guidance: options.guidance }))
    const steps = this.#stack.blocks.length + Number(denoises)
    const report: FlowReportInWork = { plan, iterations: plan.map(() => 0), incidents: [] }
    this.#report = report
    const z = drawn(rngs, this.#stack.slots * this.#stack.dimension, temperature)
    let values = z
    for await (const { step, values: now } of this.#inverted(
      z,
      { labels, guidance: options.guidance, rule: special.rule, signal },
      report,
    )) {
      values = now
      yield this.#step(values, labels.length, { step, steps })
    }
    if (!denoises) return
    signal?.throwIfAborted()
    this.#denoised++
    yield this.#step(await this.#denoiser.run(values, labels), labels.length, { step: steps, steps })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const runner of this.#runners) await runner.dispose()
    await this.#denoiser.dispose()
  }

  /** Numbers through the blocks, from the last to the first. */
  async *#inverted(
    z: Float32Array,
    how: Conditions,
    report: FlowReportInWork,
  ): AsyncGenerator<{ step: number; values: Float32Array }> {
    const { blocks } = this.#stack
    let values = z
    for (let block = blocks.length - 1; block >= 0; block--) {
      const arms = armsOf(blocks[block]!, how)
      const given = { map: this.#runners[block]!, z: reordered(values, blocks[block]!), arms, block, signal: how.signal }
      const inverted = await this.#invert(given, report.plan[block]!)
      report.iterations[block] = inverted.iterations
      report.incidents.push(...inverted.incidents)
      values = reordered(inverted.values, blocks[block]!)
      yield { step: blocks.length - block, values }
    }
  }

  /** The plan of `auto` for these samples. */
  async #planned({ calibrate: data, tolerance = 1e-4 }: FlowOptions, how: Conditions): Promise<readonly Inverse[]> {
    const known = this.#calibrated
    const current = known?.data === data && known?.tolerance === tolerance ? known : undefined
    const calibrated = current ?? { data, tolerance, calibration: this.#calibration(data, tolerance) }
    this.#calibrated = calibrated
    const { trials } = await calibrated.calibration.catch((error: unknown) => {
      // What failed once may do so for a passing reason: the next call tries again.
      if (this.#calibrated === calibrated) this.#calibrated = undefined
      throw error
    })
    return this.#stack.blocks.map((block, index) => {
      const { labels, weight } = armsOf(block, how)
      return cheapest(trials[index]!, block, weight === undefined ? labels.length : 2 * labels.length)
    })
  }

  /** From the data given; otherwise on samples of the flow itself. */
  async #calibration(given: CalibrationData | undefined, tolerance: number): Promise<Calibration> {
    const data = given ?? (await this.#ownSamples())
    const { blocks } = this.#stack
    return calibrate(await measureBlocks(this.#stack, { device: this.#settings.device, ...data }), data, {
      stack: this.#stack,
      tolerance,
      invert: (block, inverse, outcome, labels) =>
        this.#invert({ map: this.#runners[block]!, z: reordered(outcome, blocks[block]!), arms: { labels }, block }, inverse),
    })
  }

  /** A block's cache serves one inversion at a time. */
  #invert(given: Inversion, inverse: Inverse): Promise<Inverted> {
    return this.#queues[given.block]!.run(() => invert(given, inverse))
  }

  async #ownSamples(): Promise<CalibrationData> {
    const { classes, slots, dimension, blocks } = this.#stack
    const labels = Int32Array.from({ length: 4 }, (_, sample) => (classes === 0 ? 0 : sample % classes))
    const rng = createRng(0).fold('calibration')
    let values = drawn(
      Array.from(labels, (_, sample) => rng.fold(sample)),
      slots * dimension,
      1,
    )
    const report: FlowReportInWork = { plan: blocks.map(() => ({ kind: 'sequential' }) as const), iterations: [], incidents: [] }
    for await (const state of this.#inverted(values, { labels }, report)) values = state.values
    return { values, labels }
  }

  #step(values: Float32Array, count: number, { step, steps }: { readonly step: number; readonly steps: number }): SampleStep {
    const { layout } = this.#settings
    const known = new Float32Array(count * this.#stack.slots).fill(Number(step === steps))
    return { step, steps, values: { layout, count, kind: 'vectors', dimension: this.#stack.dimension, data: values }, known }
  }
}
