import * as v from 'valibot'
import { count, layerCount } from '../read-config.ts'
import { neuralForecaster } from '../series-engines/neural-forecaster.ts'
import { checkHeads, mixerNames, VariateNetwork, variateLayer } from '../series-engines/variate-network.ts'

/** Each series is a token, its whole past the token's content: attention mixes series, and the MLPs go along time. */
export default neuralForecaster(
  {
    width: v.optional(count, 128),
    /** Width inside the MLPs. Default: the width. */
    hidden: v.optional(count),
    layers: v.optional(layerCount, 2),
    heads: v.optional(count, 8),
    /** What mixes series. */
    mixer: v.optional(v.picklist(mixerNames), 'softmax'),
  },
  {
    id: 'itransformer',
    source: 'Liu et al. 2024, iTransformer: Inverted Transformers Are Effective for Time Series Forecasting',
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
  },
)
