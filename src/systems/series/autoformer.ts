import * as v from 'valibot'
import { OptionError } from '../../base/errors.ts'
import {
  autoCorrelationMixing,
  decomposeSeries,
  fanInUniform,
  HeadMixer,
  Linear,
  layerNorm,
  type Mlp,
  type Norm,
} from '../../nn/index.ts'
import { add, concat, mean, pad, reshape, slice, subtract, type Tensor } from '../../tensor/index.ts'
import { count } from '../read-config.ts'
import {
  beginning,
  circularConvolution,
  type EncoderDecoderOptions,
  encoderDecoderEntries,
  labelOf,
  StepEmbedding,
  splitMarks,
  withNeighbours,
} from '../series-engines/encoder-decoder.ts'
import { checkHeads, mlp } from '../series-engines/layers.ts'
import { neuralForecaster } from '../series-engines/neural-forecaster.ts'
import type { SeriesNetwork, SeriesOutput, SeriesSizes, SeriesWindow } from '../series-engines/series-network.ts'

interface AutoformerOptions extends EncoderDecoderOptions {
  readonly average: number
}

const mixerOf = ({ width, heads, factor }: AutoformerOptions) =>
  new HeadMixer(width, { heads, mixing: autoCorrelationMixing({ factor }) })

/** Keeps the season alone after each part. */
class EncoderLayer {
  readonly mixer: HeadMixer
  readonly mlp: Mlp
  readonly #average: number

  constructor(options: AutoformerOptions) {
    this.mixer = mixerOf(options)
    this.mlp = mlp(options.width, options.hidden ?? 4 * options.width)
    this.#average = options.average
  }

  forward(x: Tensor): Tensor {
    const { season } = decomposeSeries(add(x, this.mixer.forward(x)), this.#average)
    return decomposeSeries(add(season, this.mlp.forward(season)), this.#average).season
  }
}

/** Gives the season on, and the trends that its parts took out, mapped to the outputs. */
class DecoderLayer {
  readonly self_mixer: HeadMixer
  readonly cross_mixer: HeadMixer
  readonly mlp: Mlp
  readonly trend: Linear
  readonly #average: number

  constructor(options: AutoformerOptions, outputs: number) {
    this.self_mixer = mixerOf(options)
    this.cross_mixer = mixerOf(options)
    this.mlp = mlp(options.width, options.hidden ?? 4 * options.width)
    this.trend = circularConvolution(options.width, outputs)
    this.#average = options.average
  }

  forward(x: Tensor, memory: Tensor): { readonly season: Tensor; readonly trend: Tensor } {
    const own = decomposeSeries(add(x, this.self_mixer.forward(x)), this.#average)
    const crossed = decomposeSeries(add(own.season, this.cross_mixer.forward(own.season, memory)), this.#average)
    const last = decomposeSeries(add(crossed.season, this.mlp.forward(crossed.season)), this.#average)
    const trends = [own, crossed, last].map(({ trend }) => trend).reduce((sum, each) => add(sum, each))
    return { season: last.season, trend: this.trend.forward(withNeighbours(trends)) }
  }
}

/** Normed, less its mean over time: nothing but season is left. */
function seasonNorm(norm: Norm, x: Tensor): Tensor {
  const normed = norm.forward(x)
  return subtract(normed, mean(normed, 1, { keep: true }))
}

class AutoformerNetwork implements SeriesNetwork {
  readonly encoder_embedding: StepEmbedding
  readonly encoder: readonly EncoderLayer[]
  readonly encoder_norm: Norm
  readonly decoder_embedding: StepEmbedding
  readonly decoder: readonly DecoderLayer[]
  readonly decoder_norm: Norm
  readonly season: Linear
  readonly #sizes: SeriesSizes
  readonly #label: number
  readonly #average: number

  constructor(options: AutoformerOptions, sizes: SeriesSizes) {
    const { width, layers, decoderLayers } = options
    const { variates, outputs, locations } = sizes
    this.#sizes = sizes
    this.#label = labelOf(options, sizes)
    this.#average = options.average
    this.encoder_embedding = new StepEmbedding(width, sizes, { positions: false })
    this.encoder = Array.from({ length: layers }, () => new EncoderLayer(options))
    this.encoder_norm = layerNorm()(width)
    this.decoder_embedding = new StepEmbedding(width, sizes, { positions: false })
    this.decoder = Array.from({ length: decoderLayers }, () => new DecoderLayer(options, variates * locations))
    this.decoder_norm = layerNorm()(width)
    this.season = new Linear(width, variates * outputs, fanInUniform(width))
  }

  forward(window: SeriesWindow): SeriesOutput {
    const { horizon } = this.#sizes
    const { known, coming } = splitMarks(window, this.#sizes, this.#label)
    const memory = seasonNorm(
      this.encoder_norm,
      this.encoder.reduce((x, layer) => layer.forward(x), this.encoder_embedding.forward(window.values, known)),
    )
    const parts = decomposeSeries(window.values, this.#average)
    let season = this.decoder_embedding.forward(beginning(parts.season, this.#label, horizon), coming)
    let trend = this.#perLocation(beginning(parts.trend, this.#label, horizon, mean(window.values, 1, { keep: true })))
    for (const layer of this.decoder) {
      const next = layer.forward(season, memory)
      season = next.season
      trend = add(trend, next.trend)
    }
    return this.#output(this.season.forward(seasonNorm(this.decoder_norm, season)), trend)
  }

  /** The same for each location, `[batch, time, variate·location]`. */
  #perLocation(x: Tensor): Tensor {
    const { variates, locations } = this.#sizes
    if (locations === 1) return x
    const column = reshape(x, [x.shape[0]!, x.shape[1]!, variates, 1])
    return reshape(
      concat(
        Array.from({ length: locations }, () => column),
        -1,
      ),
      [x.shape[0]!, x.shape[1]!, -1],
    )
  }

  #output(season: Tensor, trend: Tensor): SeriesOutput {
    const { horizon, variates, outputs, locations } = this.#sizes
    const rows = (x: Tensor) => reshape(slice(x, 1, -horizon), [x.shape[0]!, horizon, variates, -1])
    const [said, level] = [rows(season), rows(trend)]
    const location = (x: Tensor) => reshape(slice(x, -1, 0, 1), [x.shape[0]!, horizon, variates])
    return {
      output: add(said, pad(level, -1, 0, outputs - locations)),
      components: { trend: location(level), season: location(said) },
    }
  }
}

function check(options: AutoformerOptions, sizes: SeriesSizes): void {
  checkHeads(options)
  labelOf(options, sizes)
  if (options.average % 2 === 0)
    throw new OptionError(`autoformer: average is ${options.average}`, { expected: 'an odd number of values' })
  if (sizes.inputSize < 2 * options.average)
    throw new OptionError(`autoformer: an input of ${sizes.inputSize} values, averaged over ${options.average}`, {
      expected: `at least ${2 * options.average} values`,
      fix: 'a larger inputSize or a smaller average',
    })
}

/** Trend and season are taken apart all along; lags at which the series is like itself take the place of attention. */
export default neuralForecaster(
  {
    ...encoderDecoderEntries(3),
    /** Values of the moving average that is the trend; odd. */
    average: v.optional(count, 25),
  },
  {
    id: 'autoformer',
    source: 'Wu et al. 2021, Autoformer: Decomposition Transformers with Auto-Correlation for Long-Term Series Forecasting',
    defaults: { batch: 32, learningRate: 1e-3, normalization: 'none' },
    variates: 'either',
    uses: { past: false, future: true, static: false, calendar: true },
    reach: 'fitted',
    inputSize: ({ average }, { horizon, season }) => Math.max(2 * average, 2 * season, Math.min(horizon, 96)),
    check,
    network: (options, sizes) => new AutoformerNetwork(options, sizes),
  },
)
