import { countValues } from '../../base/codes.ts'
import { OptionError } from '../../base/errors.ts'
import type { Layout } from '../../base/model.ts'
import type { Rng } from '../../base/rng.ts'
import { type SpacedSchedule, solve } from '../../decode/index.ts'
import type { DiffusionHead } from '../../heads/index.ts'
import type { Traced } from '../../nn/index.ts'
import type { Device } from '../../platform/index.ts'
import { compile, type Dimension, float32, type Inputs, type Tensor } from '../../tensor/index.ts'
import type { ImageSampler, SampleOptions, SampleRequest, SampleStep } from '../image-system.ts'
import { Arms, type LabelTraits, type StepPlace, twice } from './arms.ts'
import { rowsOf } from './choose-codes.ts'
import { givenWhole } from './given-values.ts'
import { grouped, schedulesOf } from './inner-schedules.ts'
import { atStep, named } from './named-place.ts'
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

/** A vector to be sampled, at a step of its sample's own. */
interface Chosen extends StepPlace {
  readonly sample: number
  readonly value: number
  /** Where the sample stands among those that are running. */
  readonly row: number
}

/**
 * Settles values in an order of each sample's own, as many at a step as a cosine says, each by a diffusion of its own. Li et al. 2024 (MAR),
 * arXiv:2406.11838; with steps of that diffusion that fall from step to step, Zhao et al. 2025 (DiSA). Throws NonFiniteError naming the step.
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
    const { layout, dimension, phases = [{ values: countValues(layout), steps: 64 }] } = this.#network
    const arms = new Arms(this.#network, request)
    const unit = { kind: 'vectors', dimension } as const
    const batch = new Unmasking({ unit, layout, phases }, request, (length) => new Float32Array(length))
    const space = spaceOf(request.options)
    const totals = new Set(request.rngs.map((_, sample) => batch.placeOf(sample, 0).steps))
    const scheduleOf = schedulesOf(request.options, this.#network.head.alphas, totals)
    const orders = request.rngs.map((rng, sample) => orderOf(batch.unknownByPhase(sample), rng))
    const whole = givenWhole(request)
    if (whole !== undefined) yield whole
    for (let step = 0; step < batch.steps; step++) {
      request.signal?.throwIfAborted()
      const running = batch.running(step)
      const picks = running.flatMap((sample, row) => picksOf(batch, orders[sample]!, { sample, row, step }))
      await atStep({ step, steps: batch.steps }, async () => {
        const all = await this.#hidden(batch, arms.only(running), running)
        for (const [schedule, chosen] of grouped(picks, scheduleOf)) {
          const rows = this.#rowsOf(all, running.length, chosen)
          const hidden = space === 'hidden' ? arms.combined(rows, chosen, 'hidden') : rows
          const guide = (said: Float32Array) => (space === 'hidden' ? said : arms.combined(said, chosen, 'eps'))
          const vectors = await named('diffusion', () => this.#diffuse(hidden, chosen, { request, schedule, guide }))
          for (const [i, { sample, value }] of chosen.entries()) {
            batch.values.set(vectors.subarray(i * dimension, (i + 1) * dimension), (sample * batch.size + value) * dimension)
            batch.settle(sample, value)
          }
        }
      })
      yield batch.report(step)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#backbone.dispose()
    await this.#head.dispose()
  }

  /** Hidden states of samples, `[arm·sample, value, width]`. */
  async #hidden(batch: Unmasking<Float32Array>, arms: Arms, samples: readonly number[]): Promise<Float32Array> {
    this.#calls.backbone++
    const { values, known } = batch.rowsOf(samples)
    const { hidden } = await this.#backbone.run({ values: arms.doubled(values), known: arms.doubled(known), label: arms.labels })
    return hidden.data as Float32Array
  }

  /** Of hidden states of so many samples, those of the picks: `[arm·pick, width]`. */
  #rowsOf(hidden: Float32Array, samples: number, picks: readonly Chosen[]): Float32Array {
    const { width, layout } = this.#network
    const size = countValues(layout)
    const armCount = hidden.length / (samples * size * width)
    const places = Array.from({ length: armCount }, (_, arm) => picks.map(({ row, value }) => (arm * samples + row) * size + value))
    return rowsOf(hidden, places.flat(), width)
  }

  /** A vector for each pick, from noise of the sample's own. */
  async #diffuse(hidden: Float32Array, picks: readonly Chosen[], { request, schedule, guide }: Diffusing): Promise<Float32Array> {
    const { dimension, width, clip } = this.#network
    const { temperature = 1 } = request.options
    const both = hidden.length > picks.length * width
    const streams = picks.map(({ sample, value }) => request.rngs[sample]!.fold('vector').fold(value))
    // the noise of a step stands in its stream after that of the steps before
    const noise = (step: number, scale: number) => {
      const drawn = new Float32Array(picks.length * dimension)
      for (const [i, rng] of streams.entries()) rng.fillNormal(drawn.subarray(i * dimension, (i + 1) * dimension), step * dimension)
      return scale === 1 ? drawn : drawn.map((x) => x * scale)
    }
    const field = async (values: Float32Array, time: number) => {
      this.#calls.head++
      const fed = both ? twice(values) : values
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

/** The next values of a sample in its order, as many as a step from 0 settles. */
function picksOf(
  batch: Unmasking<Float32Array>,
  order: readonly number[],
  { sample, row, step }: Pick<Chosen, 'sample' | 'row' | 'step'>,
): Chosen[] {
  const settled = order.length - batch.unknown(sample).length
  const values = order.slice(settled, order.length - batch.maskedAfter(sample, step))
  return values.map((value) => ({ sample, value, row, ...batch.placeOf(sample, step) }))
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
