import { variateForecaster } from '../series-engines/variate-network.ts'

/** Each series is a token, its whole past the token's content: attention mixes series, and the MLPs go along time. */
export default variateForecaster({
  id: 'itransformer',
  source: 'Liu et al. 2024, iTransformer: Inverted Transformers Are Effective for Time Series Forecasting',
  mixer: 'softmax',
})
