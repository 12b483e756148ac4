import * as v from 'valibot'
import {
  BidirectionalMamba,
  fanInUniform,
  HeadMixer,
  Linear,
  layerNorm,
  MixerLayer,
  type Norm,
  type SlotMixer,
  softmaxMixing,
  sparseMixing,
} from '../../nn/index.ts'
import { concat, reshape, slice, type Tensor, transpose } from '../../tensor/index.ts'
import { count, layerCount } from '../read-config.ts'
import { checkHeads, mlp } from './layers.ts'
import { neuralForecaster } from './neural-forecaster.ts'
import type { SeriesNetwork, SeriesOutput, SeriesSizes, SeriesWindow } from './series-network.ts'

/** What can mix series. */
export const mixerNames = ['softmax', 'sparse', 'bimamba'] as const

export interface VariateLayerOptions {
  readonly width: number
  readonly hidden: number
  readonly heads: number
  readonly mixer: (typeof mixerNames)[number]
  readonly prenorm?: boolean
}

const mixers: Readonly<Record<(typeof mixerNames)[number], (options: VariateLayerOptions) => SlotMixer>> = {
  softmax: ({ width, heads }) => new HeadMixer(width, { heads, mixing: softmaxMixing() }),
  sparse: ({ width, heads }) => new HeadMixer(width, { heads, mixing: sparseMixing({ factor: 5, seed: 0 }) }),
  bimamba: ({ width }) => new BidirectionalMamba(width, { state: 2, expand: 1, kernel: 2 }),
}

/** Options of networks whose tokens are series. */
const entries = (mixer: (typeof mixerNames)[number]) => ({
  width: v.optional(count, 128),
  /** Width inside the MLPs. Default: the width. */
  hidden: v.optional(count),
  layers: v.optional(layerCount, 2),
  heads: v.optional(count, 8),
  /** What mixes series. */
  mixer: v.optional(v.picklist(mixerNames), mixer),
})

/** A system whose tokens are series. */
export function variateForecaster({ id, source, mixer }: { id: string; source: string; mixer: (typeof mixerNames)[number] }) {
  return neuralForecaster(entries(mixer), {
    id,
    source,
    defaults: { batch: 128, learningRate: 5e-4, normalization: 'standard' },
    variates: 'either',
    anyVariates: true,
    uses: { past: true, future: true, static: false, calendar: false },
    reach: 'fitted',
    check: checkHeads,
    network: (options, sizes) =>
      new VariateNetwork(sizes, options.width, () =>
        Array.from({ length: options.layers }, () => variateLayer({ ...options, hidden: options.hidden ?? options.width })),
      ),
  })
}

/** A layer over tokens `[batch, series, width]`, as PyTorch starts it. */
export function variateLayer(options: VariateLayerOptions): MixerLayer {
  const { width, hidden, mixer, prenorm = false } = options
  return new MixerLayer(width, { mixer: mixers[mixer](options), mlp: mlp(width, hidden), prenorm })
}

/** Whole pasts as tokens: `[batch, input, series]` → `[batch, series, width]`. Liu et al. 2024, section 3.1. */
export function embedVariates(embedding: Linear, values: Tensor): Tensor {
  return embedding.forward(transpose(values, [0, 2, 1]))
}

/** Tokens `[batch, series, width]` to outputs of the first `variates` of them, `[batch, horizon, series, output]`. */
export function readVariates(readout: Linear, tokens: Tensor, { variates, horizon, outputs }: SeriesSizes): Tensor {
  const said = readout.forward(slice(tokens, 1, 0, variates))
  return transpose(reshape(said, [said.shape[0]!, variates, horizon, outputs]), [0, 2, 1, 3])
}

/** Tokens of series and of what is known beside them, layers over these, and a linear map from each token to its horizon. */
export class VariateNetwork implements SeriesNetwork {
  readonly embedding: Linear
  /** Of what is known of the steps to come too. */
  readonly mark_embedding?: Linear
  readonly layers: readonly MixerLayer[]
  readonly norm: Norm
  readonly readout: Linear
  readonly #sizes: SeriesSizes

  constructor(sizes: SeriesSizes, width: number, layers: () => readonly MixerLayer[]) {
    const { inputSize, horizon, outputs, marks } = sizes
    this.#sizes = sizes
    this.embedding = new Linear(inputSize, width, fanInUniform(inputSize))
    if (marks > 0) this.mark_embedding = new Linear(inputSize + horizon, width, fanInUniform(inputSize + horizon))
    this.layers = layers()
    this.norm = layerNorm()(width)
    this.readout = new Linear(width, horizon * outputs, fanInUniform(width))
  }

  forward({ values, marks, covariates }: SeriesWindow): SeriesOutput {
    const tokens = [
      embedVariates(this.embedding, values),
      ...(covariates === undefined ? [] : [embedVariates(this.embedding, covariates)]),
      ...(marks === undefined ? [] : [embedVariates(this.mark_embedding!, marks)]),
    ]
    const mixed = this.layers.reduce((x, layer) => layer.forward(x), tokens.length === 1 ? tokens[0]! : concat(tokens, 1))
    return { output: readVariates(this.readout, this.norm.forward(mixed), this.#sizes) }
  }
}
