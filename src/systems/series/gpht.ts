import * as v from 'valibot'
import { OptionError } from '../../base/errors.ts'
import { fanInUniform, HeadMixer, Linear, layerNorm, MixerLayer, type Norm, normal, softmaxMixing } from '../../nn/index.ts'
import { add, concat, max, pad, parameter, reshape, slice, subtract, type Tensor, type Variable } from '../../tensor/index.ts'
import { count, layerCount } from '../read-config.ts'
import { checkHeads, mlp } from '../series-engines/layers.ts'
import { neuralForecaster } from '../series-engines/neural-forecaster.ts'
import type { Judge, SeriesNetwork, SeriesOutput, SeriesSizes, SeriesWindow } from '../series-engines/series-network.ts'

interface GphtOptions {
  readonly width: number
  readonly hidden: number
  readonly heads: number
  readonly layers: number
  readonly stages: readonly number[]
  readonly token: number
}

/** A causal transformer over stretches of a pooled series: each says the next stretch, at full rate. */
class Stage {
  readonly embedding: Linear
  readonly positions: Variable
  readonly layers: readonly MixerLayer[]
  readonly norm: Norm
  readonly head: Linear
  readonly #pool: number
  readonly #token: number

  constructor({ width, hidden, heads, layers, token }: GphtOptions, { inputSize, outputs }: SeriesSizes, pool: number) {
    this.#pool = pool
    this.#token = token
    this.embedding = new Linear(token / pool, width, fanInUniform(token / pool))
    this.positions = parameter([inputSize / token, width], normal(0.02))
    this.layers = Array.from({ length: layers }, () => {
      return new MixerLayer(width, {
        mixer: new HeadMixer(width, { heads, mixing: softmaxMixing({ causal: true }) }),
        mlp: mlp(width, hidden),
        prenorm: true,
      })
    })
    this.norm = layerNorm()(width)
    this.head = new Linear(width, token * outputs, fanInUniform(width))
  }

  /** `[batch, input]` → what each stretch says of the next one, `[batch, input, output]`. */
  forward(x: Tensor): Tensor {
    const [batch, length] = [x.shape[0]!, x.shape[1] as number]
    const pooled = this.#pool === 1 ? x : max(reshape(x, [batch, length / this.#pool, this.#pool]), -1)
    const tokens = add(this.embedding.forward(reshape(pooled, [batch, length / this.#token, -1])), this.positions)
    const mixed = this.layers.reduce((state, layer) => layer.forward(state), tokens)
    return reshape(this.head.forward(this.norm.forward(mixed)), [batch, length, -1])
  }
}

/** Stages from coarse to fine; each sees what the ones before it left unexplained, and all they say is added up. */
class GphtNetwork implements SeriesNetwork {
  readonly stages: readonly Stage[]
  readonly #token: number

  constructor(options: GphtOptions, sizes: SeriesSizes) {
    this.#token = options.token
    this.stages = options.stages.map((pool) => new Stage(options, sizes, pool))
  }

  forward({ values }: SeriesWindow): SeriesOutput {
    return { output: slice(this.#everyStretch(values), 1, -this.#token) }
  }

  /** Learns from every stretch after the first one, of which those in the window are known. */
  loss({ values }: SeriesWindow, target: Tensor, judge: Judge): Tensor {
    return judge(this.#everyStretch(values), concat([slice(values, 1, this.#token), target], 1))
  }

  isHead(name: string): boolean {
    return name.includes('.head.')
  }

  /** What is said of each stretch from the one before it: `[batch, input, 1, output]`, the first row being that of value `token`. */
  #everyStretch(values: Tensor): Tensor {
    let rest = reshape(values, [values.shape[0]!, values.shape[1]!])
    const said: Tensor[] = []
    for (const stage of this.stages) {
      const output = stage.forward(rest)
      said.push(output)
      const location = reshape(slice(output, -1, 0, 1), rest.shape)
      rest = subtract(rest, pad(slice(location, 1, 0, -this.#token), 1, this.#token, 0))
    }
    const sum = said.reduce((total, each) => add(total, each))
    return reshape(sum, [values.shape[0]!, values.shape[1]!, 1, -1])
  }
}

function check(options: GphtOptions, { inputSize }: SeriesSizes): void {
  checkHeads(options)
  const { token, stages } = options
  if (inputSize % token !== 0)
    throw new OptionError(`gpht: an input of ${inputSize} values in stretches of ${token}`, { expected: `a multiple of ${token}` })
  const odd = stages.find((pool) => token % pool !== 0)
  if (odd !== undefined)
    throw new OptionError(`gpht: a stage that pools ${odd} of ${token} values`, { expected: 'divisors of the stretch' })
}

/** One decoder for all series, coarse to fine, that goes on stretch by stretch to any horizon. */
export default neuralForecaster(
  {
    width: v.optional(count, 64),
    /** Width inside the MLPs. */
    hidden: v.optional(count, 128),
    /** Layers of each stage. */
    layers: v.optional(layerCount, 3),
    heads: v.optional(count, 4),
    /** Values that each stage pools into one, in order. */
    stages: v.optional(v.pipe(v.array(count), v.minLength(1), v.maxLength(16)), [8, 4, 2, 1]),
    /** Values of a stretch. */
    token: v.optional(v.pipe(count, v.maxValue(4096)), 48),
  },
  {
    id: 'gpht',
    source: 'Liu et al. 2024, Generative Pretrained Hierarchical Transformer for Time Series Forecasting',
    defaults: { batch: 128, learningRate: 1e-3, schedule: 'cosine', normalization: 'standard' },
    variates: 'apart',
    uses: { past: false, future: false, static: false, calendar: false },
    reach: 'rolled',
    block: ({ token }) => token,
    inputSize: ({ token }) => 7 * token,
    check,
    network: (options, sizes) => new GphtNetwork(options, sizes),
  },
)
