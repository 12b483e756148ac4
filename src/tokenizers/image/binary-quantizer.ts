import type { Unit } from '../../base/codes.ts'
import {
  add,
  cast,
  constant,
  greater,
  less,
  log,
  maximum,
  mean,
  multiply,
  negate,
  sigmoid,
  subtract,
  type Tensor,
} from '../../tensor/index.ts'
import { type Bottleneck, type BottleneckLoss, straightThrough } from './bottleneck.ts'
import { Digits } from './digits.ts'
import type { NoiseSpec } from './image-tokenizer.ts'

export interface BinaryQuantizerOptions {
  readonly bits: number
  /** Ids that the bits of a place are divided among. */
  readonly split: number
  /** Train on the likelier bits rather than on drawn ones. */
  readonly deterministic: boolean
  /** `variance`: draws probabilities to 0 and 1. `entropy`: besides, lets every bit be 1 as often as 0. */
  readonly penalty: 'variance' | 'entropy'
  /** How much the penalty counts. */
  readonly weight: number
}

/**
 * Every channel is the probability of a bit. Binary autoencoder (Wang et al. 2023; Bernoulli bits with straight-through gradients), and
 * with `deterministic` and `entropy` lookup-free quantisation (Yu et al. 2023). Networks read bits as −1 and 1.
 */
export class BinaryQuantizer implements Bottleneck {
  readonly unit: Unit
  readonly inputs: number
  readonly width: number
  readonly #digits: Digits
  readonly #options: BinaryQuantizerOptions

  constructor(options: BinaryQuantizerOptions) {
    this.#options = options
    this.#digits = new Digits(new Array<number>(options.bits).fill(2), options.split)
    this.unit = { kind: 'ids', vocabulary: this.#digits.vocabulary }
    this.inputs = options.bits
    this.width = options.bits
  }

  noise(places: number): Readonly<Record<string, NoiseSpec>> {
    return this.#options.deterministic ? {} : { bits: { kind: 'uniform', shape: [places, this.width] } }
  }

  encode(latents: Tensor): Tensor {
    return this.#digits.join(cast(greater(latents, 0), 'float32'))
  }

  embed(values: Tensor): Tensor {
    return signs(this.#digits.split(values))
  }

  restore(values: Tensor): Tensor {
    return this.embed(values)
  }

  average(): Tensor {
    return constant([0], [1])
  }

  train(latents: Tensor, { bits }: Readonly<Record<string, Tensor>>): BottleneckLoss {
    const { deterministic, penalty, weight } = this.#options
    const chances = sigmoid(latents)
    const drawn = cast(deterministic ? greater(latents, 0) : less(bits!, chances), 'float32')
    const uncertainty = penalty === 'variance' ? varianceOf(chances) : entropyGap(chances)
    return {
      restored: signs(straightThrough(chances, drawn)),
      penalties: { [penalty]: multiply(uncertainty, weight) },
    }
  }
}

/** 0 and 1 → −1 and 1. */
function signs(bits: Tensor): Tensor {
  return subtract(multiply(bits, 2), 1)
}

/** Mean p·(1 − p). */
function varianceOf(chances: Tensor): Tensor {
  return mean(multiply(chances, subtract(1, chances)))
}

/** Mean entropy of the bits less the entropy of their mean, in nats, each bit by itself. */
function entropyGap(chances: Tensor): Tensor {
  return subtract(mean(entropy(chances)), mean(entropy(mean(chances, [0, 1]))))
}

function entropy(chances: Tensor): Tensor {
  const part = (p: Tensor) => multiply(p, log(maximum(p, 1e-6)))
  return negate(add(part(chances), part(subtract(1, chances))))
}
