import { countValues } from '../../base/codes.ts'
import type { Step } from '../../base/model.ts'
import { openPlanStepper, type PlanStepper } from '../../engine/index.ts'
import type { PlanNetwork } from '../../nn/index.ts'
import { predictionsOf, stepsOf } from '../../orders/index.ts'
import type { Device } from '../../platform/index.ts'
import type { ImageSampler, SampleRequest, SampleStep } from '../image-system.ts'
import { Arms, type LabelTraits } from './arms.ts'
import { type FlowSolver, flowSolver } from './solver.ts'
import { noiseOfSamples, type VectorTraits, vectorBatch } from './vectors.ts'

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

  constructor(network: VelocityNetwork, device: Device) {
    this.#network = network
    this.#stepper = openPlanStepper(network, device)
    this.#steps = stepsOf(network.plan)
  }

  get evaluations() {
    return { backbone: this.#stepper.calls, head: 0 }
  }

  async *sample(request: SampleRequest): AsyncGenerator<SampleStep, void, undefined> {
    const { labels, options, signal } = request
    const drawing = new Drawing(this.#network, request)
    const solver = flowSolver(options, signal)
    await this.#stepper.begin(drawing.arms.rows)
    const steps = this.#steps.length
    for (const [k, step] of this.#steps.entries()) {
      signal?.throwIfAborted()
      await this.#denoise(drawing, solver, k)
      if (step.commit.end > step.commit.start) await this.#stepper.step(drawing.context(), step.commit, { commit: true })
      const values = vectorBatch(this.#network, labels.length, drawing.values.slice())
      yield { step: k + 1, steps, values, known: drawing.known.slice() }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stepper[Symbol.asyncDispose]()
  }

  /** Settles the values of step k. */
  async #denoise(drawing: Drawing, solver: FlowSolver, k: number): Promise<void> {
    const { feed, predict } = this.#steps[k]!
    const { values, slots } = predictionsOf(this.#network.plan, predict)
    if (drawing.knows(values)) return
    const rows = slots[0]!.map((slot) => slot - feed.start)
    const noise = drawing.noiseAt(values).map((number) => number * solver.temperature)
    const field = async (noised: Float32Array, time: number) => {
      const { velocity } = await this.#stepper.step(drawing.feeds(values, noised, time), feed, { commit: false })
      const guided = drawing.arms.combined(velocity!, k, this.#steps.length, 'velocity')
      return pickRows(guided, rows, feed.end - feed.start, this.#network.dimension)
    }
    drawing.settle(values, await solver.solve(field, noise, k, this.#steps.length))
  }
}

/** Values on their way. Of what is given, every sample may have other places. */
class Drawing {
  readonly arms: Arms
  /** `[sample, value, dimension]`: clean where settled or given, 0 elsewhere. */
  readonly values: Float32Array
  readonly known: Float32Array
  readonly #noise: Float32Array
  readonly #contextNoise: Float32Array | undefined
  readonly #copies: boolean
  readonly #size: number
  readonly #dimension: number

  constructor(network: VelocityNetwork, request: SampleRequest) {
    const { labels, rngs, given, options } = request
    const { contextNoise = 0 } = options
    this.arms = new Arms(network, request)
    this.#copies = Object.hasOwn(network.inputs, 'values')
    this.#size = countValues(network.layout)
    this.#dimension = network.dimension
    const numbers = labels.length * this.#size * this.#dimension
    this.values = new Float32Array(numbers)
    for (const i of this.values.keys())
      if (given?.known[Math.floor(i / this.#dimension)] === 1) this.values[i] = given.values.data[i]!
    this.known = given === undefined ? new Float32Array(labels.length * this.#size) : given.known.slice()
    const noiseFrom = (name: string) =>
      noiseOfSamples(
        network,
        rngs.map((rng) => rng.fold(name)),
      )
    this.#noise = noiseFrom('noise')
    this.#contextNoise = contextNoise > 0 ? noiseFrom('context').map((number) => number * contextNoise) : undefined
  }

  knows(values: Int32Array): boolean {
    for (let start = 0; start < this.known.length; start += this.#size)
      if (values.some((value) => this.known[start + value] !== 1)) return false
    return true
  }

  /** `[sample, value, dimension]` of these values. */
  noiseAt(values: Int32Array): Float32Array {
    return pickRows(this.#noise, values, this.#size, this.#dimension)
  }

  /** What the network is fed: these values noised, all others clean. Given ones are put on the straight path to their noise. */
  feeds(values: Int32Array, noised: Float32Array, time: number) {
    const noisy = this.values.slice()
    const times = new Float32Array(this.known.length)
    this.#eachOf(values, (at, row) => {
      times[at] = time
      for (let i = 0; i < this.#dimension; i++) {
        const place = at * this.#dimension + i
        const given = this.known[at] === 1
        noisy[place] = given ? (1 - time) * this.values[place]! + time * this.#noise[place]! : noised[row * this.#dimension + i]!
      }
    })
    return this.#feeds(noisy, times)
  }

  /** What the network is fed where finished groups are kept: clean values, or what `contextNoise` makes of them, as if they were clean. */
  context() {
    const shown = this.#contextNoise === undefined ? this.values : this.values.map((x, i) => x + this.#contextNoise![i]!)
    return this.#feeds(shown, new Float32Array(this.known.length))
  }

  settle(values: Int32Array, solved: Float32Array): void {
    this.#eachOf(values, (at, row) => {
      if (this.known[at] === 1) return
      this.values.set(solved.subarray(row * this.#dimension, (row + 1) * this.#dimension), at * this.#dimension)
      this.known[at] = 1
    })
  }

  #feeds(noisy: Float32Array, time: Float32Array) {
    const { arms } = this
    // `values` feeds clean copies, which are kept and never iterated: what they are fed with is what `noisy` holds then.
    const both = arms.doubled(noisy)
    return { noisy: both, time: arms.doubled(time), label: arms.labels, ...(this.#copies && { values: both }) }
  }

  /** Calls with the place of each value of each sample among all, and among the values of the list. */
  #eachOf(values: Int32Array, call: (at: number, row: number) => void): void {
    for (let sample = 0; sample < this.arms.count; sample++)
      for (const [i, value] of values.entries()) call(sample * this.#size + value, sample * values.length + i)
  }
}

/** Of every sample `[sample, row, dimension]`, the chosen rows. */
function pickRows(data: Float32Array, rows: ArrayLike<number>, size: number, dimension: number): Float32Array {
  const count = data.length / (size * dimension)
  const picked = new Float32Array(count * rows.length * dimension)
  for (let sample = 0; sample < count; sample++)
    for (let i = 0; i < rows.length; i++) {
      const from = (sample * size + rows[i]!) * dimension
      picked.set(data.subarray(from, from + dimension), (sample * rows.length + i) * dimension)
    }
  return picked
}
