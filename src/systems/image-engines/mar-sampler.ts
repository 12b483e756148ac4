import { OptionError } from '../../base/errors.ts'
import type { Layout } from '../../base/model.ts'
import type { Rng } from '../../base/rng.ts'
import { respace, type SpacedSchedule, solve } from '../../decode/index.ts'
import type { DiffusionHead } from '../../heads/index.ts'
import type { Traced } from '../../nn/index.ts'
import type { Device } from '../../platform/index.ts'
import { compile, type Dimension, float32, type Inputs, type Tensor } from '../../tensor/index.ts'
import type { ImageSampler, SampleOptions, SampleRequest, SampleStep } from '../image-system.ts'
import { Arms, type LabelTraits } from './arms.ts'
import { valueCount } from './choose-codes.ts'
import { type PhaseSteps, phaseRng } from './phases.ts'
import { Unmasking } from './unmasking.ts'

/** A network that says hidden states of all vectors from those that are known, with a head that samples a vector from its hidden state. */
export interface MaskedVectorNetwork extends LabelTraits {
  readonly layout: Layout
  readonly dimension: number
  /** Width of hidden states. */
  readonly width: number
  readonly head: Pick<DiffusionHead, 'alphas' | 'field'>
  /** What is settled one after the other. Default: all values at once, in 64 steps. */
  readonly phases?: readonly PhaseSteps[]
  /** Bound of clean numbers that the head predicts; none when absent. */
  readonly clip?: number
  /** `values`, `known` and `label`, for a batch. */
  inputsFor(batch: Dimension | string): Inputs
  /** `[batch, value, width]`. */
  hidden(inputs: Traced): Tensor
}

/** A vector to be sampled. */
interface Chosen {
  readonly sample: number
  readonly value: number
}

/**
 * Settles values in an order of each sample's own, as many at a step as a cosine says, each by a diffusion of its own. Li et al. 2024 (MAR),
 * arXiv:2406.11838; with steps of that diffusion that fall from step to step, Zhao et al. 2025 (DiSA).
 */
export class MarSampler implements ImageSampler {
  readonly options = ['guidance', 'guidanceSpace', 'temperature', 'steps', 'innerSteps'] as const
  readonly #network: MaskedVectorNetwork
  readonly #backbone: ReturnType<typeof compileBackbone>
  readonly #head: ReturnType<typeof compileHead>
  readonly #calls = { backbone: 0, head: 0 }

  constructor(network: MaskedVectorNetwork, device: Device) {
    this.#network = network
    this.#backbone = compileBackbone(network, device)
    this.#head = compileHead(network, device)
  }

  get evaluations() {
    return { ...this.#calls }
  }

  async *sample(request: SampleRequest): AsyncGenerator<SampleStep, void, undefined> {
    const { layout, dimension, head, phases = [{ values: valueCount({ layout }), steps: 64 }] } = this.#network
    const arms = new Arms(this.#network, request)
    const unit = { kind: 'vectors', dimension } as const
    const batch = new Unmasking({ unit, layout, phases }, request, (length) => new Float32Array(length))
    const space = spaceOf(request.options)
    const schedules = schedulesOf(request.options, head.alphas, batch.steps)
    const orders = request.rngs.map((rng, sample) => orderOf(batch.unknownByPhase(sample), rng))
    for (let step = 0; step < batch.steps; step++) {
      request.signal?.throwIfAborted()
      const picks = orders.flatMap((order, sample) => {
        const free = batch.unknown(sample).length
        return order.slice(order.length - free, order.length - batch.maskedAfter(sample, step)).map((value) => ({ sample, value }))
      })
      const rows = await this.#hidden(batch, arms, picks)
      const hidden = space === 'hidden' ? arms.combined(rows, step, batch.steps, 'hidden') : rows
      const guide = (said: Float32Array) => (space === 'hidden' ? said : arms.combined(said, step, batch.steps, 'eps'))
      const vectors = await this.#diffuse(hidden, picks, { request, schedule: schedules[step]!, guide })
      for (const [i, { sample, value }] of picks.entries()) {
        batch.values.set(vectors.subarray(i * dimension, (i + 1) * dimension), (sample * batch.size + value) * dimension)
        batch.settle(sample, value)
      }
      yield batch.report(step)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#backbone.dispose()
    await this.#head.dispose()
  }

  /** Hidden states of the picks, `[arm·pick, width]`. */
  async #hidden(batch: Unmasking<Float32Array>, arms: Arms, picks: readonly Chosen[]): Promise<Float32Array> {
    const { width } = this.#network
    this.#calls.backbone++
    const feeds = { values: arms.doubled(batch.values), known: arms.doubled(batch.known), label: arms.labels }
    const all = (await this.#backbone.run(feeds)).hidden.data as Float32Array
    const armCount = arms.rows / arms.count
    const rows = new Float32Array(armCount * picks.length * width)
    for (let arm = 0; arm < armCount; arm++) {
      for (const [i, { sample, value }] of picks.entries()) {
        const from = ((arm * arms.count + sample) * batch.size + value) * width
        rows.set(all.subarray(from, from + width), (arm * picks.length + i) * width)
      }
    }
    return rows
  }

  /** A vector for each pick, from noise of the sample's own. */
  async #diffuse(hidden: Float32Array, picks: readonly Chosen[], { request, schedule, guide }: Diffusing): Promise<Float32Array> {
    const { dimension, width, clip } = this.#network
    const { temperature = 1 } = request.options
    const times = hidden.length / (picks.length * width)
    const streams = picks.map(({ sample, value }) => request.rngs[sample]!.fold('vector').fold(value))
    // the noise of a step stands in its stream after that of the steps before
    const noise = (step: number, scale: number) => {
      const drawn = new Float32Array(picks.length * dimension)
      for (const [i, rng] of streams.entries()) rng.fillNormal(drawn.subarray(i * dimension, (i + 1) * dimension), step * dimension)
      return scale === 1 ? drawn : drawn.map((x) => x * scale)
    }
    const field = async (values: Float32Array, time: number) => {
      this.#calls.head++
      const fed = new Float32Array(times * values.length)
      for (let i = 0; i < times; i++) fed.set(values, i * values.length)
      const { eps } = await this.#head.run({ values: fed, time: Float32Array.of(time), hidden })
      return guide(eps.data as Float32Array)
    }
    const { values } = await solve(field, noise(0, 1), schedule.times, {
      method: 'ddpm',
      alphas: schedule.alphas,
      noise: (step) => noise(step + 1, temperature),
      ...(clip !== undefined && { clip }),
      ...(request.signal && { signal: request.signal }),
    })
    return values
  }
}

interface Diffusing {
  readonly request: SampleRequest
  readonly schedule: SpacedSchedule
  readonly guide: (said: Float32Array) => Float32Array
}

/** Throws OptionError on a space without guidance in it. */
function spaceOf({ guidance, guidanceSpace }: SampleOptions): 'eps' | 'hidden' {
  if (guidanceSpace !== undefined && (guidance === undefined || guidance === 1))
    throw new OptionError('guidanceSpace without guidance', { fix: 'give guidance too, or neither' })
  return guidanceSpace ?? 'eps'
}

/** The timesteps of each step's diffusion. Throws OptionError on counts that are no whole numbers from 1 to the timesteps trained on. */
function schedulesOf({ innerSteps = 50 }: SampleOptions, alphas: Float64Array, steps: number): SpacedSchedule[] {
  const counts = Array.from({ length: steps }, (_, step) => (typeof innerSteps === 'number' ? innerSteps : innerSteps(step, steps)))
  const spaced = new Map([...new Set(counts)].map((count) => [count, respace(alphas, count)]))
  return counts.map((count) => spaced.get(count)!)
}

/** Any order of the values of each phase, phase after phase. */
function orderOf(free: readonly (readonly number[])[], rng: Rng): number[] {
  const own = rng.fold('order')
  return free.flatMap((values, phase) => Array.from(phaseRng(own, phase).permutation(values.length), (index) => values[index]!))
}

function compileBackbone(network: MaskedVectorNetwork, device: Device) {
  return compile(network.inputsFor('B'), (given) => ({ hidden: network.hidden(given) }), { device, frozen: true, name: 'masked' })
}

function compileHead({ dimension, width, head }: MaskedVectorNetwork, device: Device) {
  const inputs = { values: float32('N', dimension), time: float32(1), hidden: float32('N', width) }
  const field = ({ values, time, hidden }: Readonly<Record<keyof typeof inputs, Tensor>>) => ({
    eps: head.field(values, time, hidden),
  })
  return compile(inputs, field, { device, frozen: true, name: 'head' })
}
