import { type CodeBatch, countValues } from '../../base/codes.ts'
import type { Layout, Step } from '../../base/model.ts'
import type { Rng } from '../../base/rng.ts'
import { type LogitsRule, logitsRules } from '../../decode/index.ts'
import { openPlanStepper, type PlanStepper } from '../../engine/index.ts'
import type { PlanNetwork } from '../../nn/index.ts'
import { channelsOf, stepsOf } from '../../orders/index.ts'
import type { Device } from '../../platform/index.ts'
import type { ImageSampler, SampleOptions, SampleRequest, SampleStep } from '../image-system.ts'
import { Arms, type LabelTraits } from './arms.ts'
import { drawIds } from './draw-ids.ts'
import { checkGiven, givenWhole } from './given-values.ts'
import { atStep } from './named-place.ts'

/**
 * A network that predicts ids group by group. Its inputs are `values`, int32 `[B, value, code]`, and `label`, int32 `[B]`; its readout has `logits`
 * `[batch, slot, channel·Σ vocabulary]`: for each channel of the plan, the logits of the codes side by side.
 */
export interface IdsNetwork extends PlanNetwork, LabelTraits {
  readonly layout: Layout
  readonly vocabulary: readonly number[]
}

/** Options of one step, where they differ from those asked for. */
export type StepOptions = (options: SampleOptions, step: number) => SampleOptions

/**
 * Draws ids in the order of a plan: raster, scales, diagonals. Where several channels predict a value, the mean of their logits counts. Throws
 * NonFiniteError naming the step.
 */
export class IdsSampler implements ImageSampler {
  readonly options = ['guidance', 'temperature', 'topK', 'topP'] as const
  readonly #network: IdsNetwork
  readonly #stepper: PlanStepper
  readonly #steps: readonly Step[]
  readonly #size: number
  readonly #optionsOf: StepOptions

  constructor(network: IdsNetwork, device: Device, optionsOf: StepOptions = (options) => options) {
    this.#network = network
    this.#stepper = openPlanStepper(network, device)
    this.#steps = stepsOf(network.plan)
    this.#size = countValues(network.layout)
    this.#optionsOf = optionsOf
  }

  get evaluations() {
    return { backbone: this.#stepper.calls, head: 0 }
  }

  async *sample(request: SampleRequest): AsyncGenerator<SampleStep, void, undefined> {
    const { labels, given, options, rngs } = request
    const { vocabulary, layout } = this.#network
    const arms = new Arms(this.#network, request)
    checkGiven({ kind: 'ids', vocabulary, layout }, request)
    const values =
      given === undefined ? new Int32Array(labels.length * this.#size * vocabulary.length) : Int32Array.from(given.values.data)
    const known = given === undefined ? new Float32Array(labels.length * this.#size) : given.known.slice()
    const steps = this.#steps.filter(predicts).length
    const rules = Array.from({ length: steps }, (_, step) => logitsRules(this.#optionsOf(options, step)))
    const whole = givenWhole(request)
    if (whole !== undefined) {
      yield whole
      return
    }
    await this.#stepper.begin(arms.rows)
    for (const [k, { feed, predict, commit }] of this.#steps.entries()) {
      request.signal?.throwIfAborted()
      const feeds = { label: arms.labels, values: arms.doubled(values) }
      const { logits } = await this.#stepper.step(feeds, feed, { commit: commit.end > commit.start })
      if (!predicts({ predict })) continue
      const step = this.#steps.slice(0, k).filter(predicts).length
      await atStep({ step, steps }, () => {
        const guided = arms.combined(logits!, { step, steps }, 'logits')
        this.#draw(guided, this.#steps[k]!, { values, known, rules: rules[step]!, rngs, greedy: options.temperature === 0 })
      })
      const batch: CodeBatch = { kind: 'ids', vocabulary, layout, count: labels.length, data: values.slice() }
      yield { step: step + 1, steps, values: batch, known: known.slice() }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stepper[Symbol.asyncDispose]()
  }

  /** Draws the values that a step predicts, those that are known left out. */
  #draw(logits: Float32Array, step: Step, drawing: Drawing): void {
    const { values, known, rules, rngs, greedy } = drawing
    const { vocabulary } = this.#network
    const [codes, width] = [vocabulary.length, vocabulary.reduce((sum, size) => sum + size, 0)]
    const slots = step.feed.end - step.feed.start
    for (const [value, places] of this.#predictors(step)) {
      for (const [sample, rng] of rngs.entries()) {
        const at = sample * this.#size + value
        if (known[at] === 1) continue
        const starts = places.map((place) => (sample * slots * this.#channels + place) * width)
        const uniform = (code: number) => rng.uniformAt(value * codes + code)
        const ids = values.subarray(at * codes, (at + 1) * codes)
        drawIds(meanOf(logits, starts, width), ids, { vocabulary, rules, greedy, uniform })
        known[at] = 1
      }
    }
  }

  get #channels(): number {
    return channelsOf(this.#network.plan).length
  }

  /** For each value that a step predicts, where its logits stand among those of the step: slot · channels + channel. */
  #predictors({ feed, predict }: Step): Map<number, number[]> {
    const found = new Map<number, number[]>()
    for (const [channel, { target }] of channelsOf(this.#network.plan).entries()) {
      for (let slot = predict.start; slot < predict.end; slot++) {
        const value = target[slot]!
        if (value < 0) continue
        const places = found.get(value) ?? []
        places.push((slot - feed.start) * this.#channels + channel)
        found.set(value, places)
      }
    }
    return found
  }
}

interface Drawing {
  readonly values: Int32Array
  readonly known: Float32Array
  readonly rules: readonly LogitsRule[]
  readonly rngs: readonly Rng[]
  readonly greedy: boolean
}

const predicts = ({ predict }: Pick<Step, 'predict'>) => predict.end > predict.start

function meanOf(rows: Float32Array, starts: readonly number[], width: number): Float32Array {
  if (starts.length === 1) return rows.subarray(starts[0], starts[0]! + width)
  return Float32Array.from({ length: width }, (_, i) => starts.reduce((sum, start) => sum + rows[start + i]!, 0) / starts.length)
}
