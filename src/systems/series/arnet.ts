import * as v from 'valibot'
import { fanInUniform, Linear, zeros } from '../../nn/index.ts'
import {
  abs,
  add,
  concat,
  divide,
  exp,
  expand,
  type HostTensor,
  mean,
  minimum,
  multiply,
  power,
  relu,
  reshape,
  slice,
  square,
  subtract,
  type Tensor,
  type Variable,
} from '../../tensor/index.ts'
import { count } from '../read-config.ts'
import { neuralForecaster } from '../series-engines/neural-forecaster.ts'
import type {
  Judge,
  RawCoefficients,
  SeriesNetwork,
  SeriesOutput,
  SeriesSizes,
  SeriesWindow,
} from '../series-engines/series-network.ts'

interface ArNetOptions {
  readonly hidden: readonly number[]
  readonly sparsity: number
}

/** Strength of the regulariser per 1 / share − 1. Triebe et al. 2019, section 3.2. */
const strength = 0.02

/** The share of non-zero lags decides how strongly the others are drawn to 0; the pull grows over the first half of learning. */
function penalty(weights: Variable, sparsity: number, progress: Tensor): Tensor {
  const root = power(add(abs(weights), 1e-6), 1 / 3)
  const pull = subtract(divide(2, add(exp(multiply(root, -3)), 1)), 1)
  const ramp = square(minimum(multiply(progress, 2), 1))
  return multiply(multiply(mean(pull), reshape(ramp, [])), strength * (1 / sparsity - 1))
}

/** A linear map, or an MLP, from the last values to those to come; past covariates have lags too, what is known of the future counts at its step. */
class ArNetwork implements SeriesNetwork {
  readonly hidden: readonly Linear[]
  readonly lags: Linear
  readonly past_covariates?: Linear
  readonly future_covariates?: Linear
  readonly coefficients?: (weights: ReadonlyMap<string, HostTensor>) => RawCoefficients
  readonly #sizes: SeriesSizes
  readonly #sparsity: number

  constructor({ hidden, sparsity }: ArNetOptions, sizes: SeriesSizes) {
    const { inputSize, horizon, outputs, covariates, marks } = sizes
    const widths = [inputSize, ...hidden]
    this.#sizes = sizes
    this.#sparsity = sparsity
    this.hidden = hidden.map((width, i) => new Linear(widths[i]!, width, fanInUniform(widths[i]!)))
    this.lags = new Linear(widths.at(-1)!, horizon * outputs, fanInUniform(widths.at(-1)!))
    if (covariates > 0) this.past_covariates = withoutBias(inputSize * covariates, horizon * outputs)
    if (marks > 0) this.future_covariates = withoutBias(2 * marks, outputs)
    if (hidden.length === 0) this.coefficients = (weights) => rawCoefficients(weights, sizes)
  }

  forward({ values, marks, covariates }: SeriesWindow): SeriesOutput {
    const { inputSize, horizon, outputs } = this.#sizes
    const flat = (x: Tensor) => reshape(x, [x.shape[0]!, -1])
    const inner = this.hidden.reduce((x, layer) => relu(layer.forward(x)), flat(values))
    const own = this.lags.forward(inner)
    const all = covariates === undefined ? own : add(own, this.past_covariates!.forward(flat(covariates)))
    const steps = reshape(all, [values.shape[0]!, horizon, outputs])
    const known = marks && this.future_covariates!.forward(besideLast(marks, inputSize))
    const output = known === undefined ? steps : add(steps, known)
    return { output: reshape(output, [values.shape[0]!, horizon, 1, outputs]) }
  }

  loss(window: SeriesWindow, target: Tensor, judge: Judge): Tensor {
    const error = judge(this.forward(window).output, target)
    if (this.#sparsity === 1) return error
    const [first] = [...this.hidden, this.lags]
    return add(error, penalty(first!.weight as Variable, this.#sparsity, window.progress!))
  }
}

/** What counts beside the lags begins as nothing; the lags have the bias, which is what is said where all covariates are at their mean. */
function withoutBias(inputs: number, outputs: number): Linear {
  return new Linear(inputs, outputs, { weight: zeros })
}

/** What is known of each step to come, and of the last one so far, whose value lags may be counted from: `[batch, horizon, 2·mark]`. */
function besideLast(marks: Tensor, inputSize: number): Tensor {
  const coming = slice(marks, 1, inputSize)
  return concat([coming, expand(slice(marks, 1, inputSize - 1, inputSize), coming.shape)], -1)
}

/** Of the location alone, where a distribution has more. */
function rawCoefficients(weights: ReadonlyMap<string, HostTensor>, { inputSize, horizon, outputs }: SeriesSizes): RawCoefficients {
  const [lags, bias] = ['lags.weight', 'lags.bias'].map((name) => weights.get(name)!.data as Float32Array) as [
    Float32Array,
    Float32Array,
  ]
  const row = (step: number) =>
    Float64Array.from(lags.subarray(step * outputs * inputSize, (step * outputs + 1) * inputSize)).reverse()
  return {
    lags: Array.from({ length: horizon }, (_, step) => row(step)),
    constant: Float64Array.from({ length: horizon }, (_, step) => bias[step * outputs]!),
  }
}

const share = v.pipe(v.number(), v.gtValue(0), v.maxValue(1))

/** Autoregression learnt in steps: its weights are those of least squares, at a cost that grows with the number of lags alone, and sparse if asked for. */
export default neuralForecaster(
  {
    /** Widths of hidden layers; none: a linear map. */
    hidden: v.optional(v.pipe(v.array(count), v.maxLength(16)), []),
    /** The share of lags that are expected to count; below 1, the weights of the others are drawn to 0. */
    sparsity: v.optional(share, 1),
    /** Steps that are said at once; what is asked for beyond is said from these. Default: the horizon. */
    steps: v.optional(count),
  },
  {
    id: 'arnet',
    source:
      'Triebe, Laptev & Rajagopal 2019, AR-Net: A simple Auto-Regressive Neural Network for time-series; Triebe et al. 2021 (NeuralProphet)',
    defaults: { learningRate: 3e-3, epochs: 20, minSteps: 2000, schedule: 'cosine', normalization: 'last' },
    variates: 'apart',
    uses: { past: true, future: true, static: true, calendar: false },
    reach: 'rolled',
    block: ({ steps }, horizon) => steps ?? horizon,
    network: (options, sizes) => new ArNetwork(options, sizes),
  },
)
