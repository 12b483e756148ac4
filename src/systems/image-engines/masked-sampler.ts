import { OptionError } from '../../base/errors.ts'
import type { Layout } from '../../base/model.ts'
import type { Rng } from '../../base/rng.ts'
import {
  applyRules,
  choiceTemperatureAt,
  greedyToken,
  type LogitsRule,
  leastConfident,
  logitsRules,
  logProbReader,
  sampleToken,
} from '../../decode/index.ts'
import type { Traced } from '../../nn/index.ts'
import type { Device } from '../../platform/index.ts'
import { compile, type Dimension, type Inputs, type Tensor } from '../../tensor/index.ts'
import type { ImageSampler, SampleOptions, SampleRequest, SampleStep } from '../image-system.ts'
import { Arms, type LabelTraits } from './arms.ts'
import { valueCount } from './choose-codes.ts'
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
 * `selection: 'random'` any are kept.
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
    const phases = [{ values: valueCount({ layout }), steps: 12 }]
    const batch = new Unmasking({ unit, layout, phases }, request, (length) => new Int32Array(length))
    for (let step = 0; step < batch.steps; step++) {
      signal?.throwIfAborted()
      this.#calls++
      const feeds = { values: arms.doubled(batch.values), known: arms.doubled(batch.known), label: arms.labels }
      const { logits } = await this.#program.run(feeds)
      const rows = arms.combined(logits.data as Float32Array, step, batch.steps, 'logits')
      const temperature = choiceTemperatureAt(drawing.choiceTemperature, step, batch.steps)
      for (const [sample, rng] of rngs.entries()) this.#settle(rows, batch, { sample, step, rng, temperature, ...drawing })
      yield batch.report(step)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#program.dispose()
  }

  /** Draws the unknown ids of a sample, and settles those that are not masked again. */
  #settle(logits: Float32Array, batch: Unmasking<Int32Array>, drawing: Drawing): void {
    const { sample, step, rng, temperature, selection } = drawing
    const candidates = batch.unknown(sample)
    const logProbs = candidates.map((value) => this.#draw(logits, batch, value, drawing))
    const again = leastConfident({
      logProbs: selection === 'random' ? logProbs.map(() => 0) : logProbs,
      candidates,
      masked: batch.maskedAfter(sample, step),
      temperature: selection === 'random' ? 1 : temperature,
      rng: rng.fold('choice').fold(step),
    })
    const masked = new Set(again)
    for (const value of candidates) if (!masked.has(value)) batch.settle(sample, value)
  }

  /** Draws the ids of one value; their log p under what they were drawn from, before the temperature where they are the likeliest. */
  #draw(logits: Float32Array, batch: Unmasking<Int32Array>, value: number, { sample, step, rng, rules, greedy }: Drawing): number {
    const { vocabulary } = this.#network
    const noise = rng.fold('ids').fold(step)
    const at = sample * batch.size + value
    let start = at * vocabulary.reduce((sum, size) => sum + size, 0)
    let logProb = 0
    for (const [code, size] of vocabulary.entries()) {
      const ruled = applyRules(rules, logits.subarray(start, start + size), noContext)
      const id = greedy ? greedyToken(ruled) : sampleToken(ruled, noise.uniformAt(value * vocabulary.length + code))
      batch.values[at * vocabulary.length + code] = id
      logProb += logProbReader(ruled)(id)
      start += size
    }
    return logProb
  }
}

interface Drawing {
  readonly sample: number
  readonly step: number
  readonly rng: Rng
  readonly rules: readonly LogitsRule[]
  readonly greedy: boolean
  readonly selection: 'confidence' | 'random'
  readonly temperature: number
}

/** Throws OptionError on noise for a choice that needs none. */
function choiceOf({ selection = 'confidence', choiceTemperature }: SampleOptions) {
  if (selection === 'random' && choiceTemperature !== undefined)
    throw new OptionError("choiceTemperature with selection 'random'", { expected: "selection 'confidence'" })
  return { selection, choiceTemperature: choiceTemperature ?? 2 }
}

/** Rules that look at earlier tokens have no place here. */
const noContext = { tokens: [], promptLength: 0 }

function compileMasked(network: MaskedIdsNetwork, device: Device) {
  return compile(network.inputsFor('B'), (given) => ({ logits: network.logits(given) }), { device, frozen: true, name: 'masked' })
}
