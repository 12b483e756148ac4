import type { Layout } from '../../../base/model.ts'
import { createRng } from '../../../base/rng.ts'
import type { Device } from '../../../platform/index.ts'
import type { ImageSampler, SampleOptions, SampleRequest, SampleStep } from '../../image-system.ts'
import { BlockRunner, type Counts } from './block-runner.ts'
import { denoiser } from './denoise.ts'
import { armsOf, type CalibrationData, type Conditions, drawn, type FlowOptions, readRequest, reordered } from './flow-request.ts'
import type { FlowStack } from './flow-stack.ts'
import type { Inverse } from './inverse-plan.ts'
import { type Incident, invert } from './invert.ts'
import { type BlockMetrics, measureBlocks, planInverse } from './measure.ts'

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
  readonly #denoiser: ReturnType<typeof denoiser>
  readonly #counts: Counts = { calls: 0, slots: 0 }
  #denoised = 0
  #own: Promise<BlockMetrics[]> | undefined
  #report: FlowReport | undefined

  constructor(stack: FlowStack, settings: FlowSamplerOptions) {
    this.#stack = stack
    this.#settings = settings
    this.#runners = stack.blocks.map((block) => new BlockRunner(block, settings.device, this.#counts))
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
  metrics(data: CalibrationData): Promise<BlockMetrics[]> {
    return measureBlocks(this.#stack, { device: this.#settings.device, ...data })
  }

  async *sample(request: SampleRequest): AsyncGenerator<SampleStep> {
    const { labels, rngs, signal, options } = request
    const { special, inverses, temperature, denoises } = readRequest(request, { ...this.#settings, stack: this.#stack })
    const plan = inverses ?? (await this.#planned(special))
    const steps = this.#stack.blocks.length + Number(denoises)
    const report: FlowReportInWork = { plan, iterations: plan.map(() => 0), incidents: [] }
    this.#report = report
    const z = drawn(rngs, this.#stack.slots * this.#stack.dimension, temperature)
    let values = z
    for await (const { step, values: now } of this.#inverted(z, { labels, guidance: options.guidance, signal }, report)) {
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
      const inverted = await invert(given, report.plan[block]!)
      report.iterations[block] = inverted.iterations
      report.incidents.push(...inverted.incidents)
      values = reordered(inverted.values, blocks[block]!)
      yield { step: blocks.length - block, values }
    }
  }

  /** The plan of `auto`: from the data given; otherwise measured once, on samples of the flow itself. */
  async #planned({ calibrate, tolerance = 1e-4 }: FlowOptions): Promise<readonly Inverse[]> {
    const { slots } = this.#stack
    if (calibrate === undefined) this.#own ??= this.#ownSamples().then((data) => this.metrics(data))
    return planInverse(await (calibrate === undefined ? this.#own! : this.metrics(calibrate)), { slots, tolerance })
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
