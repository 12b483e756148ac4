import { countValues } from '../../base/codes.ts'
import { OptionError } from '../../base/errors.ts'
import type { Step } from '../../base/model.ts'
import { openPlanStepper, type PlanStepper } from '../../engine/index.ts'
import type { PlanNetwork } from '../../nn/index.ts'
import { predictionsOf, stepsOf } from '../../orders/index.ts'
import type { Device } from '../../platform/index.ts'
import type { ImageSampler, SampleRequest, SampleStep } from '../image-system.ts'
import { Arms, type LabelTraits } from './arms.ts'
import { givenWhole } from './given-values.ts'
import { type FlowSolver, flowSolver } from './solver.ts'
import { noiseOfSamples, pickRows, VectorDrawing } from './vector-drawing.ts'
import type { VectorTraits } from './vectors.ts'

/** A network that says velocities `[batch, slot, dimension]` of noised values; for its inputs see `NoisyNetwork`. */
export interface VelocityNetwork extends PlanNetwork, LabelTraits, VectorTraits {}

/**
 * Carries the values of one group after another from noise to data. Every call of a solver runs the backbone over the group's slots alone, which see
 * the groups before in the cache; what is kept there was fed clean, once, when its group was done. Noise is never kept.
 */
export class NoisySampler implements ImageSampler {
  readonly options = ['guidance', 'temperature', 'innerSteps', 'method', 'contextNoise'] as const
  readonly #network: VelocityNetwork
  readonly #stepper: PlanStepper
  readonly #steps: readonly Step[]
  /** Does the plan have clean copies, which are fed by an input of their own? */
  readonly #copies: boolean

  constructor(network: VelocityNetwork, device: Device) {
    this.#network = network
    this.#stepper = openPlanStepper(network, device)
    this.#steps = stepsOf(network.plan)
    this.#copies = Object.hasOwn(network.inputs, 'values')
  }

  get evaluations() {
    return { backbone: this.#stepper.calls, head: 0 }
  }

  async *sample(request: SampleRequest): AsyncGenerator<SampleStep, void, undefined> {
    const { options, rngs, signal } = request
    const arms = new Arms(this.#network, request)
    const drawing = new VectorDrawing(this.#network, request)
    const solver = flowSolver(options, signal)
    const { contextNoise = 0 } = options
    if (contextNoise > 0 && this.#steps.length === 1)
      throw new OptionError('contextNoise of a model that draws all values in one group: no group comes after another', {
        expected: "a unit smaller than 'image'",
        fix: 'leave contextNoise out',
      })
    const shake = contextNoise > 0 ? noiseOfSamples(this.#network, rngs, 'context', contextNoise) : undefined
    const whole = givenWhole(request)
    if (whole !== undefined) {
      yield whole
      return
    }
    await this.#stepper.begin(arms.rows)
    for (const [k, { commit }] of this.#steps.entries()) {
      signal?.throwIfAborted()
      await this.#denoise(k, { arms, drawing, solver })
      if (commit.end > commit.start) {
        const shown = shake === undefined ? drawing.values : drawing.values.map((x, i) => x + shake[i]!)
        await this.#stepper.step(this.#feeds(arms, shown, new Float32Array(drawing.known.length)), commit, { commit: true })
      }
      yield { step: k + 1, steps: this.#steps.length, ...drawing.report() }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stepper[Symbol.asyncDispose]()
  }

  /** Settles the values of step k. */
  async #denoise(k: number, { arms, drawing, solver }: { arms: Arms; drawing: VectorDrawing; solver: FlowSolver }): Promise<void> {
    const { plan, dimension } = this.#network
    const { feed, predict } = this.#steps[k]!
    const { values, slots } = predictionsOf(plan, predict)
    if (drawing.knows(values)) return
    const rows = slots[0]!.map((slot) => slot - feed.start)
    const field = async (noised: Float32Array, time: number) => {
      const noisy = drawing.with(values, drawing.mixed(values, noised, time))
      const feeds = this.#feeds(arms, noisy, this.#timesOf(values, time, drawing.count))
      const { velocity } = await this.#stepper.step(feeds, feed, { commit: false })
      const guided = arms.combined(velocity!, { step: k, steps: this.#steps.length }, 'velocity')
      return pickRows(guided, rows, { size: feed.end - feed.start, dimension })
    }
    drawing.settle(values, await solver.solve(field, drawing.noiseAt(values), k, this.#steps.length))
  }

  #feeds(arms: Arms, values: Float32Array, time: Float32Array) {
    const noisy = arms.doubled(values)
    return { noisy, time: arms.doubled(time), label: arms.labels, ...(this.#copies && { values: noisy }) }
  }

  /** `[sample, value]`: the time at these values, 0 at all others. */
  #timesOf(values: Int32Array, time: number, count: number): Float32Array {
    const row = new Float32Array(countValues(this.#network.layout))
    for (const value of values) row[value] = time
    return Float32Array.from({ length: count * row.length }, (_, i) => row[i % row.length]!)
  }
}
