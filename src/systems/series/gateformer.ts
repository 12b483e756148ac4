import * as v from 'valibot'
import { fanInUniform, Gate, Linear, type MixerLayer, PatchEmbedding } from '../../nn/index.ts'
import { reshape, type Tensor } from '../../tensor/index.ts'
import { count, layerCount } from '../read-config.ts'
import { checkHeads } from '../series-engines/layers.ts'
import { neuralForecaster } from '../series-engines/neural-forecaster.ts'
import type { SeriesNetwork, SeriesOutput, SeriesSizes, SeriesWindow } from '../series-engines/series-network.ts'
import { embedVariates, readVariates, variateLayer } from '../series-engines/variate-network.ts'

interface GateformerOptions {
  readonly width: number
  readonly hidden: number
  readonly heads: number
  readonly layers: number
  readonly patch: number
  readonly stride: number
  readonly time: 'gated' | 'whole' | 'patches'
  readonly cross: 'gated' | 'own' | 'mixed'
}

/** Two views of each series in time, gated together; attention over series; a gate for how much of that is kept. */
class GateformerNetwork implements SeriesNetwork {
  readonly embedding: Linear
  readonly patches: PatchEmbedding
  readonly time_layers: readonly MixerLayer[]
  readonly flatten: Linear
  readonly time_gate: Gate
  readonly cross_layers: readonly MixerLayer[]
  readonly cross_gate: Gate
  readonly readout: Linear
  readonly #options: GateformerOptions
  readonly #sizes: SeriesSizes

  constructor(options: GateformerOptions, sizes: SeriesSizes) {
    const { width, patch, stride, layers } = options
    const { inputSize, horizon, outputs } = sizes
    const layersOver = () => Array.from({ length: layers }, () => variateLayer({ ...options, mixer: 'softmax', prenorm: true }))
    this.#options = options
    this.#sizes = sizes
    this.embedding = new Linear(inputSize, width, fanInUniform(inputSize))
    this.patches = new PatchEmbedding(width, { patch, stride, length: inputSize })
    this.time_layers = layersOver()
    this.flatten = new Linear(this.patches.count * width, width, fanInUniform(this.patches.count * width))
    this.time_gate = new Gate(width)
    this.cross_layers = layersOver()
    this.cross_gate = new Gate(width)
    this.readout = new Linear(width, horizon * outputs, fanInUniform(width))
  }

  forward({ values }: SeriesWindow): SeriesOutput {
    const own = this.#inTime(values)
    return { output: readVariates(this.readout, this.#across(own), this.#sizes) }
  }

  /** `[batch, input, series]` → `[batch, series, width]`. */
  #inTime(values: Tensor): Tensor {
    const { time, width } = this.#options
    const whole = embedVariates(this.embedding, values)
    if (time === 'whole') return whole
    const layered = this.time_layers.reduce((x, layer) => layer.forward(x), this.patches.forward(values))
    const flat = this.flatten.forward(reshape(layered, [-1, this.patches.count * width]))
    const patches = reshape(flat, [values.shape[0]!, -1, width])
    return time === 'patches' ? patches : this.time_gate.forward(whole, patches)
  }

  #across(own: Tensor): Tensor {
    const { cross } = this.#options
    if (cross === 'own') return own
    const mixed = this.cross_layers.reduce((x, layer) => layer.forward(x), own)
    return cross === 'mixed' ? mixed : this.cross_gate.forward(own, mixed)
  }
}

/** Gated attention in time and over series. */
export default neuralForecaster(
  {
    width: v.optional(count, 64),
    /** Width inside the MLPs. */
    hidden: v.optional(count, 64),
    layers: v.optional(layerCount, 1),
    heads: v.optional(count, 4),
    /** Values of a patch, and between the beginnings of patches. */
    patch: v.optional(count, 16),
    stride: v.optional(count, 8),
    /** Which view of time counts: both, gated, or one of them. */
    time: v.optional(v.picklist(['gated', 'whole', 'patches']), 'gated'),
    /** What other series say: gated, nothing, or all. */
    cross: v.optional(v.picklist(['gated', 'own', 'mixed']), 'gated'),
  },
  {
    id: 'gateformer',
    source:
      'Lan, Ng & Zhang 2025, Gateformer: Advancing Multivariate Time Series Forecasting through Temporal and Variate-Wise Attention with Gated Representations',
    defaults: { batch: 32, learningRate: 5e-4, normalization: 'standard' },
    variates: 'either',
    anyVariates: true,
    uses: { past: false, future: false, static: false, calendar: false },
    reach: 'fitted',
    inputSize: ({ patch }, { horizon, season }) => Math.max(patch, 2 * season, Math.min(horizon, 96), 12),
    check: checkHeads,
    network: (options, sizes) => new GateformerNetwork(options, sizes),
  },
)
