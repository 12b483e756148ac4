import { variateForecaster } from '../series-engines/variate-network.ts'

/** Series are tokens, mixed by two state spaces that go over them in both directions: the cost is linear in their number, and their order matters. */
export default variateForecaster({
  id: 'smamba',
  source: 'Wang et al. 2025, Is Mamba effective for time series forecasting? (S-Mamba)',
  mixer: 'bimamba',
})
