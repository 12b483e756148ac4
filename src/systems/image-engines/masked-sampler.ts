import { countValues } from '../../base/codes.ts'
import { OptionError } from '../../base/errors.ts'
import type { Layout } from '../../base/model.ts'
import type { Rng } from '../../base/rng.ts'
import { choiceTemperatureAt, type LogitsRule, leastConfident, logitsRules, logProbReader } from '../../decode/index.ts'
import type { Traced } from '../../nn/index.ts'
import type { Device } from '../../platform/index.ts'
import { compile, type Dimension, type Inputs, type Tensor } from '../../tensor/index.ts'
import type { ImageSampler, SampleOptions, SampleRequest, SampleStep } from '../image-system.ts'
import { Arms, type LabelTraits, type StepPlace } from './arms.ts'
import { drawIds } from './draw-ids.ts'
import { givenWhole } from './given-values.ts'
import { atStep } from './named-place.ts'
import { Unmasking } from './unmasking.ts'

/** A network that says all ids from those that are known. */
export interface MaskedIdsNetwork extends LabelTraits {
  readonly layout: Layout
  readonly vocabulary: readonly number[]
  /** `values`, `known` and `label`, for a batch. */
  inputsFor(batch: Dimension | string): Inputs
  /** `[batch, value, Σ vocabulary]`. */
  logits(inputs: Traced): Tensor
}

/**
 * Draws all masked ids at once, keeps the surest, masks the others again, and so on until nothing is masked. MaskGIT, arXiv:2202.04200. With
 * `selection: 'random'` any are kept. Throws NonFiniteError naming the step.
 */
export class MaskedSampler implements ImageSampler {
  readonly options = ['guidance', 'temperature', 'topK', 'topP', 'steps', 'selection', 'choiceTemperature'] as const
  readonly #network: MaskedIdsNetwork
  readonly #program: ReturnType<typeof compileMasked>
  #calls = 0

  constructor(network: MaskedIdsNetwork, device: Device) {
    this.#network = network
    this.#program = compileMasked(network, device)
  }

  get evaluations() {
    return { backbone: this.#calls, head: 0 }
  }

  async *sample(request: SampleRequest): AsyncGenerator<SampleStep, void, undefined> {
    const { options, rngs, signal } = request
    const { layout, vocabulary } = this.#network
    const arms = new Arms(this.#network, request)
    const drawing = { rules: logitsRules(options), greedy: options.temperature === 0, ...choiceOf(options) }
    const unit = { kind: 'ids', vocabulary } as const
    const phases = [{ values: countValues(layout), steps: 12 }]
    const batch = new Unmasking({ unit, layout, phases }, request, (length) => new Int32Array(length))
    const whole = givenWhole(request)
    if (whole !== undefined) yield whole
    for (let step = 0; step < batch.steps; step++) {
      signal?.throwIfAborted()
      const running = batch.running(step)
      const places = running.map((sample) => batch.placeOf(sample, step))
      await atStep({ step, steps: batch.steps }, async () => {
        const logits = await this.#said(batch, arms.only(running), running, places)
        const size = logits.length / running.length
        for (const [row, sample] of running.entries()) {
          const own = { sample, rng: rngs[sample]!, logits: logits.subarray(row * size, (row + 1) * size), ...places[row]! }
          this.#settle(batch, { ...drawing, ...own })
        }
      })
      yield batch.report(step)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#program.dispose()
  }

  /** Guided logits of samples, `[sample, value, Σ vocabulary]`. */
  async #said(
    batch: Unmasking<Int32Array>,
    arms: Arms,
    samples: readonly number[],
    places: readonly StepPlace[],
  ): Promise<Float32Array> {
    this.#calls++
    const { values, known } = batch.rowsOf(samples)
    const { logits } = await this.#program.run({ values: arms.doubled(values), known: arms.doubled(known), label: arms.labels })
    return arms.combined(logits.data as Float32Array, places, 'logits')
  }

  /** Draws the unknown ids of a sample, and settles those that are not masked again. */
  #settle(batch: Unmasking<Int32Array>, drawing: Drawing): void {
    const { sample, step, steps, rng, choiceTemperature, selection } = drawing
    const candidates = batch.unknown(sample)
    const logProbs = candidates.map((value) => this.#draw(batch, value, drawing))
    const again = leastConfident({
      logProbs: selection === 'random' ? logProbs.map(() => 0) : logProbs,
      candidates,
      masked: batch.maskedAfter(sample, step),
      temperature: selection === 'random' ? 1 : choiceTemperatureAt(choiceTemperature, step, steps),
      rng: rng.fold('choice').fold(step),
    })
    const masked = new Set(again)
    for (const value of candidates) if (!masked.has(value)) batch.settle(sample, value)
  }

  /** Draws the ids of one value; their log p under what they were drawn from, before the temperature where they are the likeliest. */
  #draw(batch: Unmasking<Int32Array>, value: number, { logits, sample, step, rng, rules, greedy }: Drawing): number {
    const { vocabulary } = this.#network
    const [codes, width] = [vocabulary.length, logits.length / batch.size]
    const at = (sample * batch.size + value) * codes
    const ids = batch.values.subarray(at, at + codes)
    const noise = rng.fold('ids').fold(step)
    const uniform = (code: number) => noise.uniformAt(value * codes + code)
    const own = logits.subarray(value * width, (value + 1) * width)
    const ruled = drawIds(own, ids, { vocabulary, rules, greedy, uniform })
    return ruled.reduce((sum, row, code) => sum + logProbReader(row)(ids[code]!), 0)
  }
}

/** Of one sample, at a step of its own. */
interface Drawing extends StepPlace {
  readonly sample: number
  readonly rng: Rng
  /** `[value, Σ vocabulary]`. */
  readonly logits: Float32Array
  readonly rules: readonly LogitsRule[]
  readonly greedy: boolean
  readonly selection: 'confidence' | 'random'
  readonly choiceTemperature: NonNullable<SampleOptions['choiceTemperature']>
}

/** Throws OptionError on noise for a choice that needs none, and on how to choose where nothing is chosen. */
function choiceOf({ selection = 'confidence', choiceTemperature, steps }: SampleOptions) {
  const single = [steps].flat().every((count) => count === 1)
  if (single && (selection === 'random' || choiceTemperature !== undefined))
    throw new OptionError(
      `${choiceTemperature === undefined ? 'selection' : 'choiceTemperature'} in a single step, which keeps all that it draws`,
      {
        fix: 'ask for more steps, or leave it out',
      },
    )
  if (selection === 'random' && choiceTemperature !== undefined)
    throw new OptionError("choiceTemperature with selection 'random'", { expected: "selection 'confidence'" })
  return { selection, choiceTemperature: choiceTemperature ?? 2 }
}

function compileMasked(network: MaskedIdsNetwork, device: Device) {
  return compile(network.inputsFor('B'), (given) => ({ logits: network.logits(given) }), { device, frozen: true, name: 'masked' })
}
