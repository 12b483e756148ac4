import type { Unit } from '../../base/codes.ts'
import { add, constant, divide, multiply, round, subtract, type Tensor, tanh } from '../../tensor/index.ts'
import { type Bottleneck, type BottleneckLoss, straightThrough } from './bottleneck.ts'
import { Digits } from './digits.ts'
import type { NoiseSpec } from './image-tokenizer.ts'

/** Keeps the outermost levels within reach of tanh. */
const slack = 1e-3

/** Every channel is bounded and rounded to one of its levels. Mentzer et al. 2023 (FSQ). */
export class ScalarQuantizer implements Bottleneck {
  readonly unit: Unit
  readonly inputs: number
  readonly width: number
  readonly #digits: Digits
  readonly #levels: readonly number[]

  constructor(levels: readonly number[], split: number) {
    this.#digits = new Digits(levels, split)
    this.#levels = levels
    this.unit = { kind: 'ids', vocabulary: this.#digits.vocabulary }
    this.inputs = levels.length
    this.width = levels.length
  }

  noise(): Readonly<Record<string, NoiseSpec>> {
    return {}
  }

  encode(latents: Tensor): Tensor {
    return this.#digits.join(add(round(this.#bounded(latents)), this.#perLevel(halfOf)))
  }

  /** Levels from −1 to nearly 1 (even counts have one more below 0 than above). */
  embed(values: Tensor): Tensor {
    return divide(subtract(this.#digits.split(values), this.#perLevel(halfOf)), this.#perLevel(halfOf))
  }

  restore(values: Tensor): Tensor {
    return this.embed(values)
  }

  average(): Tensor {
    return constant([0], [1])
  }

  train(latents: Tensor): BottleneckLoss {
    const bounded = this.#bounded(latents)
    return { restored: divide(straightThrough(bounded, round(bounded)), this.#perLevel(halfOf)), penalties: {} }
  }

  /** Latents squeezed so that rounding gives the levels −⌊L/2⌋ … ⌈L/2⌉ − 1. */
  #bounded(latents: Tensor): Tensor {
    const reach = (levels: number) => ((levels - 1) * (1 + slack)) / 2
    const offset = (levels: number) => (levels % 2 === 0 ? 0.5 : 0)
    const shift = this.#perLevel((levels) => Math.atanh(offset(levels) / reach(levels)))
    return subtract(multiply(tanh(add(latents, shift)), this.#perLevel(reach)), this.#perLevel(offset))
  }

  #perLevel(of: (levels: number) => number): Tensor {
    return constant(this.#levels.map(of), [this.#levels.length])
  }
}

/** Levels below 0. */
function halfOf(levels: number): number {
  return Math.floor(levels / 2)
}
