import * as v from 'valibot'
import { OptionError } from '../../base/errors.ts'
import {
  fanInUniform,
  HeadMixer,
  Linear,
  layerNorm,
  MixerLayer,
  type Mixing,
  type Mlp,
  type Norm,
  softmaxMixing,
  sparseMixing,
} from '../../nn/index.ts'
import { add, constant, exp, gather, maximum, minimum, reshape, slice, subtract, type Tensor } from '../../tensor/index.ts'
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

interface InformerOptions extends EncoderDecoderOptions {
  readonly attention: 'sparse' | 'full'
  readonly distil: boolean
}

/** Layer `layer` samples keys of its own. */
function mixing({ attention, factor }: InformerOptions, layer: number, causal: boolean): Mixing {
  return attention === 'full' ? softmaxMixing({ causal }) : sparseMixing({ factor, seed: layer, causal })
}

/** Half as many steps: a convolution, a norm, ELU, and the largest of three neighbours at every second step. Zhou et al. 2021, section 3.3. */
class Distillation {
  readonly convolution: Linear
  readonly norm: Norm

  constructor(width: number) {
    this.convolution = circularConvolution(width, width)
    // Where the authors norm over the batch: this one needs no running statistics, and no sample depends on its company.
    this.norm = layerNorm()(width)
  }

  /** `[batch, time, width]` → `[batch, ⌈time / 2⌉, width]`. */
  forward(x: Tensor): Tensor {
    const activated = elu(this.norm.forward(this.convolution.forward(withNeighbours(x))))
    const length = x.shape[1] as number
    const neighbour = (offset: number) => {
      const places = Int32Array.from({ length: Math.ceil(length / 2) }, (_, i) => Math.min(length - 1, Math.max(0, 2 * i + offset)))
      return gather(activated, constant(places, [places.length], 'int32'), 1)
    }
    return maximum(maximum(neighbour(-1), neighbour(0)), neighbour(1))
  }
}

/** x, and eˣ − 1 below 0. Clevert et al. 2016. */
function elu(x: Tensor): Tensor {
  return add(maximum(x, 0), subtract(exp(minimum(x, 0)), 1))
}

class DecoderLayer {
  readonly self_mixer: HeadMixer
  readonly self_norm: Norm
  readonly cross_mixer: HeadMixer
  readonly cross_norm: Norm
  readonly mlp: Mlp
  readonly mlp_norm: Norm

  constructor(options: InformerOptions, layer: number) {
    const { width, heads } = options
    this.self_mixer = new HeadMixer(width, { heads, mixing: mixing(options, layer, true) })
    this.self_norm = layerNorm()(width)
    this.cross_mixer = new HeadMixer(width, { heads, mixing: softmaxMixing() })
    this.cross_norm = layerNorm()(width)
    this.mlp = mlp(options.width, options.hidden ?? 4 * options.width)
    this.mlp_norm = layerNorm()(width)
  }

  forward(x: Tensor, memory: Tensor): Tensor {
    const own = this.self_norm.forward(add(x, this.self_mixer.forward(x)))
    const crossed = this.cross_norm.forward(add(own, this.cross_mixer.forward(own, memory)))
    return this.mlp_norm.forward(add(crossed, this.mlp.forward(crossed)))
  }
}

class InformerNetwork implements SeriesNetwork {
  readonly encoder_embedding: StepEmbedding
  readonly encoder: readonly MixerLayer[]
  /** Between the layers of the encoder. */
  readonly distillations: readonly Distillation[]
  readonly encoder_norm: Norm
  readonly decoder_embedding: StepEmbedding
  readonly decoder: readonly DecoderLayer[]
  readonly decoder_norm: Norm
  readonly readout: Linear
  readonly #sizes: SeriesSizes
  readonly #label: number

  constructor(options: InformerOptions, sizes: SeriesSizes) {
    const { width, heads, layers, decoderLayers, distil } = options
    this.#sizes = sizes
    this.#label = labelOf(options, sizes)
    this.encoder_embedding = new StepEmbedding(width, sizes, { positions: true })
    this.encoder = Array.from({ length: layers }, (_, layer) => {
      return new MixerLayer(width, {
        mixer: new HeadMixer(width, { heads, mixing: mixing(options, layer, false) }),
        mlp: mlp(options.width, options.hidden ?? 4 * options.width),
      })
    })
    this.distillations = Array.from({ length: distil ? layers - 1 : 0 }, () => new Distillation(width))
    this.encoder_norm = layerNorm()(width)
    this.decoder_embedding = new StepEmbedding(width, sizes, { positions: true })
    this.decoder = Array.from({ length: decoderLayers }, (_, layer) => new DecoderLayer(options, layers + layer))
    this.decoder_norm = layerNorm()(width)
    this.readout = new Linear(width, sizes.variates * sizes.outputs, fanInUniform(width))
  }

  forward(window: SeriesWindow): SeriesOutput {
    const { horizon, variates, outputs } = this.#sizes
    const { known, coming } = splitMarks(window, this.#sizes, this.#label)
    let memory = this.encoder_embedding.forward(window.values, known)
    for (const [i, layer] of this.encoder.entries())
      memory = this.distillations[i]?.forward(layer.forward(memory)) ?? layer.forward(memory)
    const normed = this.encoder_norm.forward(memory)
    const begun = this.decoder_embedding.forward(beginning(window.values, this.#label, horizon), coming)
    const decoded = this.decoder.reduce((x, layer) => layer.forward(x, normed), begun)
    const said = this.readout.forward(this.decoder_norm.forward(slice(decoded, 1, -horizon)))
    return { output: reshape(said, [said.shape[0]!, horizon, variates, outputs]) }
  }
}

function check(options: InformerOptions, sizes: SeriesSizes): void {
  checkHeads(options)
  labelOf(options, sizes)
  if (options.distil && sizes.inputSize < 8)
    throw new OptionError(`informer: an input of ${sizes.inputSize} values, halved between layers`, {
      expected: 'at least 8',
      fix: 'distil: false',
    })
}

/** Few queries attend, layers halve the series, and all steps to come are said in one pass. */
export default neuralForecaster(
  {
    ...encoderDecoderEntries(5),
    attention: v.optional(v.picklist(['sparse', 'full']), 'sparse'),
    /** Whether the series is halved between layers. */
    distil: v.optional(v.boolean(), true),
  },
  {
    id: 'informer',
    source: 'Zhou et al. 2021, Informer: Beyond Efficient Transformer for Long Sequence Time-Series Forecasting',
    defaults: { batch: 32, learningRate: 1e-4, normalization: 'none' },
    variates: 'either',
    uses: { past: false, future: true, static: false, calendar: true },
    reach: 'fitted',
    check,
    network: (options, sizes) => new InformerNetwork(options, sizes),
  },
)
