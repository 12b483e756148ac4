import { OptionError } from '../base/errors.ts'
import { refuseUnknown } from '../base/options.ts'
import { Linear, normal, softplus, zeros } from '../nn/index.ts'
import { checkSizes } from '../nn/sizes.ts'
import {
  add,
  divide,
  greater,
  less,
  log,
  logSoftmax,
  logSumExp,
  maximum,
  minimum,
  multiply,
  negate,
  oneHot,
  reshape,
  round,
  sampleCategorical,
  square,
  subtract,
  sum,
  type Tensor,
  tanh,
  unsqueeze,
  where,
} from '../tensor/index.ts'
import { checkValues } from './field.ts'
import { logSigmoid, softplusOfOne } from './smooth.ts'

export type MixtureKind = 'gaussian' | 'logistic' | 'discretised-logistic'

export interface MixtureHeadOptions {
  readonly components: number
  readonly kind: MixtureKind
  /** Scales are softplus(…) plus this. Default 0.001. */
  readonly scaleFloor?: number
  /** 'discretised-logistic' alone: values are this many, evenly from −1 to 1. Default 256. */
  readonly levels?: number
}

/** `logits` and `log p` are over components: `[…, component]`; means and scales are `[…, component, dimension]`. */
export interface MixtureParameters {
  readonly logits: Tensor
  readonly mean: Tensor
  readonly scale: Tensor
}

/** Random numbers for samples: uniform in [0, 1) `[…, component]`, and for the numbers themselves `[…, dimension]`. */
export interface MixtureNoise {
  readonly component: Tensor
  /** Standard normal for 'gaussian', uniform in [0, 1) for the others. */
  readonly value: Tensor
}

/**
 * A vector as one of several components, each with a mean and a scale for every number: correlations between numbers come from the choice
 * of the component.
 */
export class MixtureHead {
  readonly logits: Linear
  readonly mean: Linear
  readonly scale: Linear
  readonly #dimension: number
  readonly #options: Required<MixtureHeadOptions>

  constructor(width: number, dimension: number, options: Required<MixtureHeadOptions>) {
    const { components } = options
    this.logits = new Linear(width, components, { bias: zeros })
    // Components that begin apart.
    this.mean = new Linear(width, components * dimension, { bias: normal(0.5) })
    this.scale = new Linear(width, components * dimension, { bias: zeros })
    this.#dimension = dimension
    this.#options = options
  }

  /** Of hidden states `[…, width]`. Scales begin near 1. */
  parameters(hidden: Tensor): MixtureParameters {
    const shape = [...hidden.shape.slice(0, -1), this.#options.components, this.#dimension]
    const raw = reshape(this.scale.forward(hidden), shape)
    return {
      logits: this.logits.forward(hidden),
      mean: reshape(this.mean.forward(hidden), shape),
      scale: add(softplus(add(raw, softplusOfOne)), this.#options.scaleFloor),
    }
  }

  /**
   * log p(value) in nats: hidden states `[…, width]` and values `[…, dimension]` → `[…]`; a density, but for discrete values a probability.
   * Throws ShapeError when they do not fit.
   */
  logProb(hidden: Tensor, values: Tensor): Tensor {
    checkValues(values, hidden, this.#dimension)
    const parameters = this.parameters(hidden)
    const each = sum(this.#elementLogProb(unsqueeze(values, -2), parameters), -1)
    return logSumExp(add(logSoftmax(parameters.logits), each))
  }

  /**
   * Values `[…, dimension]` for hidden states `[…, width]`: a component by the Gumbel-max trick from logits / temperature, then numbers about
   * its mean with its scale times the temperature. Temperature 0 gives the likeliest component's mean.
   */
  sample(hidden: Tensor, noise: MixtureNoise, temperature: number | Tensor = 1): Tensor {
    const { logits, mean, scale } = this.parameters(hidden)
    const { components, kind, levels } = this.#options
    const divisor = typeof temperature === 'number' ? Math.max(temperature, 1e-6) : maximum(temperature, 1e-6)
    const component = sampleCategorical(divide(logits, divisor), noise.component)
    const chosen = unsqueeze(oneHot(component, components), -1)
    const of = (parameter: Tensor) => sum(multiply(parameter, chosen), -2)
    const standard = kind === 'gaussian' ? noise.value : standardLogistic(noise.value)
    const sampled = add(of(mean), multiply(multiply(of(scale), temperature), standard))
    return kind === 'discretised-logistic' ? nearestLevel(sampled, levels) : sampled
  }

  #elementLogProb(values: Tensor, { mean, scale }: MixtureParameters): Tensor {
    const away = subtract(values, mean)
    const { kind, levels } = this.#options
    if (kind === 'discretised-logistic') return levelLogProb(values, away, scale, levels)
    const standard = divide(away, scale)
    const shape =
      kind === 'gaussian'
        ? multiply(add(square(standard), Math.log(2 * Math.PI)), -0.5)
        : add(logSigmoid(standard), logSigmoid(negate(standard)))
    return subtract(shape, log(scale))
  }
}

/**
 * log (σ(b) − σ(a)), the mass between the borders a < b half a level below and above; the outermost levels reach to infinity.
 * σ(b) − σ(a) = σ(b)·σ(−a)·(1 − e^(a − b)). Salimans et al. 2017 (PixelCNN++).
 */
function levelLogProb(values: Tensor, away: Tensor, scale: Tensor, levels: number): Tensor {
  const half = 1 / (levels - 1)
  const below = logSigmoid(divide(add(away, half), scale))
  const above = logSigmoid(negate(divide(subtract(away, half), scale)))
  const middle = add(add(below, above), log1mExp(divide(2 * half, scale)))
  return where(less(values, half - 1), below, where(greater(values, 1 - half), above, middle))
}

/** log(1 − e^−w) for w > 0: 1 − e^−w = 2·tanh(w/2) / (1 + tanh(w/2)), which loses no digits for small w. */
function log1mExp(w: Tensor): Tensor {
  const half = tanh(divide(w, 2))
  return log(divide(multiply(half, 2), add(half, 1)))
}

/** Standard logistic numbers from uniform ones in [0, 1). */
function standardLogistic(uniform: Tensor): Tensor {
  return subtract(log(maximum(uniform, 2 ** -25)), log(subtract(1, uniform)))
}

function nearestLevel(values: Tensor, levels: number): Tensor {
  const steps = (levels - 1) / 2
  const level = round(multiply(add(values, 1), steps))
  return subtract(divide(minimum(maximum(level, 0), levels - 1), steps), 1)
}

const kinds = ['gaussian', 'logistic', 'discretised-logistic'] satisfies MixtureKind[]

/**
 * A head for vectors with an exact likelihood. Bishop 1994; Tschannen et al. 2023 (GIVT). Throws OptionError on sizes below 1, fewer than
 * two levels, a scale floor that is not above 0, and on unknown options and kinds.
 */
export function mixtureHead(width: number, dimension: number, options: MixtureHeadOptions): MixtureHead {
  refuseUnknown(options, ['components', 'kind', 'scaleFloor', 'levels'], 'mixtureHead')
  const { components, kind, scaleFloor = 1e-3, levels = 256 } = options
  checkSizes({ width, dimension, components })
  if (!kinds.includes(kind)) throw new OptionError(`kind is ${String(kind)}`, { expected: kinds.join(', ') })
  if (!(scaleFloor > 0 && scaleFloor < Number.POSITIVE_INFINITY))
    throw new OptionError(`scaleFloor is ${scaleFloor}`, { expected: 'a finite number > 0' })
  if (options.levels !== undefined && kind !== 'discretised-logistic')
    throw new OptionError(`levels for kind '${kind}'`, { expected: "levels only for 'discretised-logistic'" })
  if (!Number.isSafeInteger(levels) || levels < 2) throw new OptionError(`levels is ${levels}`, { expected: 'an integer ≥ 2' })
  return new MixtureHead(width, dimension, { components, kind, scaleFloor, levels })
}
