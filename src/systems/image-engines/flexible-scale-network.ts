import type { CodeBatch } from '../../base/codes.ts'
import { elementCount } from '../../base/dtype.ts'
import type { Rng } from '../../base/rng.ts'
import { packed } from '../../base/visibility.ts'
import { constantColumns, planPositions, type Traced } from '../../nn/index.ts'
import type { Device } from '../../platform/index.ts'
import {
  add,
  cast,
  concat,
  divide,
  equal,
  expand,
  type FeedValue,
  greaterOrEqual,
  type Inputs,
  int32,
  multiply,
  negate,
  scalar,
  slice,
  split,
  subtract,
  sum,
  type Tensor,
  unsqueeze,
} from '../../tensor/index.ts'
import type { ImageTokenizer } from '../../tokenizers/index.ts'
import type { ImageContext } from '../image-system.ts'
import { fittingTokenizer } from './fit-tokenizer.ts'
import { FlexibleSampler } from './flexible-sampler.ts'
import { slotLogProb } from './ids-network.ts'
import { type ScaleModules, ScaleNetwork, type ScaleTokenizer } from './scale-network.ts'
import { drawSchedules, gridsOf, type ScaleSize } from './scale-schedule.ts'

/** A tokenizer whose parts are whole pictures of any size. */
export type FlexibleTokenizer = ScaleTokenizer & Required<Pick<ImageTokenizer, 'withScales'>>

/** The tokenizer of a context. Throws MismatchError when it gives no ids, or its parts are no whole pictures. */
export function flexibleTokenizer({ tokenizer }: ImageContext, system: string): FlexibleTokenizer {
  return fittingTokenizer(system, tokenizer, { unit: 'ids', parts: 'carried', carry: 'latest' })
}

/**
 * A network of scales that is trained on all of a tokenizer's and on choices among them, and then runs on any. A step of training reads all slots: those
 * of scales that a sample leaves out see, and are seen by, each other alone, and do not count. Jiao et al. 2025 (FlexVAR).
 */
export class FlexibleScaleNetwork extends ScaleNetwork {
  readonly #tokenizer: FlexibleTokenizer
  /** `[k][j]`: the tokenizer of scales j and k alone, which says what scale k is told by scale j. */
  readonly #pairs: readonly (readonly ScaleTokenizer[])[]

  constructor(modules: ScaleModules, tokenizer: FlexibleTokenizer, labels: { classes: number; labelDrop: number }) {
    super(modules, tokenizer, labels)
    this.#tokenizer = tokenizer
    const grids = gridsOf(tokenizer.layout)
    this.#pairs = grids.map((grid, k) => grids.slice(0, k).map((before) => tokenizer.withScales([before, grid]) as ScaleTokenizer))
  }

  /** The same modules on other scales. Throws OptionError when they do not grow. */
  at(scales: readonly ScaleSize[]): ScaleNetwork {
    return new ScaleNetwork(this, this.#tokenizer.withScales(scales) as ScaleTokenizer, this)
  }

  /** Besides values and labels: `before` `[batch, scale]`, as `drawSchedules` has it. */
  override trainingInputs(batch: number): Inputs {
    return { ...super.trainingInputs(batch), before: int32(batch, this.layout.parts.length) }
  }

  override feed(samples: CodeBatch, labels: Int32Array, rng: Rng): Readonly<Record<string, FeedValue>> {
    const before = drawSchedules(samples.count, this.layout.parts.length, rng.fold('schedules'))
    return { ...super.feed(samples, labels, rng), before }
  }

  /** Mean −log p of an id, in nats, over the scales of each sample's schedule. */
  override loss(inputs: Traced): { readonly total: Tensor } {
    const taken = this.#taken(inputs.before!)
    const logProb = slotLogProb(this.vocabulary, this.scheduledLogits(inputs), inputs.values!)
    return { total: negate(divide(sum(multiply(logProb, taken)), multiply(sum(taken), this.vocabulary.length))) }
  }

  /** Logits `[batch, slot, Σ vocabulary]` under each sample's own schedule; those of scales that it leaves out mean nothing. */
  scheduledLogits({ values, label, before }: Traced): Tensor {
    const embedded = this.embedCarried(this.#carry(values!, before!), label!)
    const output = this.backbone.forward({
      ...embedded,
      position: planPositions(this.plan),
      columns: { ...constantColumns(this.plan), segment: cast(subtract(1, this.#taken(before!)), 'int32') },
      visibility: packed,
    })
    return this.readout(output).logits!
  }

  override openSampler(device: Device): FlexibleSampler {
    return new FlexibleSampler(this, device)
  }

  get #counts(): readonly number[] {
    return this.layout.parts.map(({ shape }) => elementCount(shape))
  }

  /** 1 where a slot's scale is in the schedule, `[batch, slot]`. */
  #taken(before: Tensor): Tensor {
    const batch = before.shape[0]!
    const each = this.#counts.map((count, k) => {
      if (k === 0) return expand(scalar(1), [batch, count])
      return expand(cast(greaterOrEqual(slice(before, -1, k, k + 1), 0), 'float32'), [batch, count])
    })
    return concat(each, 1)
  }

  /** What each scale is told by the one before it in the schedule, `[batch, value, embeddingWidth]`. */
  #carry(values: Tensor, before: Tensor): Tensor {
    const parts = split(values, 1, this.#counts)
    const first = expand(scalar(0), [values.shape[0]!, this.#counts[0]!, this.#tokenizer.embeddingWidth])
    const later = this.#pairs.slice(1).map((pairs, index) => {
      const k = index + 1
      const told = pairs.map((pair, j) => {
        const carried = slice(pair.carry(concat([parts[j]!, parts[k]!], 1)), 1, this.#counts[j]!)
        const here = cast(equal(slice(before, -1, k, k + 1), j), 'float32')
        return multiply(carried, unsqueeze(here, -1))
      })
      return told.reduce((a, b) => add(a, b))
    })
    return concat([first, ...later], 1)
  }
}
