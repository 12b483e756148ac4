import { it } from 'vitest'
import {
  autoCorrelationMixing,
  BidirectionalMamba,
  decomposeSeries,
  HeadMixer,
  softmaxMixing,
  sparseMixing,
} from '../../../src/nn/index.ts'
import { add, concat, slice } from '../../../src/tensor/index.ts'
import { layerComparison } from './compare-layer.ts'

const compare = layerComparison()

it('softmax mixing', async () => {
  const layer = new HeadMixer(6, { heads: 2, mixing: softmaxMixing({ causal: true }) })
  await compare(layer, (x) => layer.forward(x), [2, 7, 6])
})

it('decomposition and auto-correlation of a short series and of one that is transformed in two steps', async () => {
  const layer = new HeadMixer(6, { heads: 2, mixing: autoCorrelationMixing({ factor: 1 }) })
  const forward = (x: Parameters<typeof layer.forward>[0]) => {
    const { season, trend } = decomposeSeries(x, 5)
    return concat([add(layer.forward(season), trend), layer.forward(x, slice(season, 1, 3))], 2)
  }
  await compare(layer, forward, [2, 12, 6])
  await compare(layer, forward, [1, 272, 6], 1e-3)
})

it('sparse mixing', async () => {
  for (const causal of [false, true]) {
    const layer = new HeadMixer(6, { heads: 2, mixing: sparseMixing({ factor: 1, seed: 3, causal }) })
    await compare(layer, (x) => layer.forward(x), [2, 21, 6], 1e-3)
  }
})

it('Mamba in both directions, of 7 slots and of more than a chunk of chunks', async () => {
  for (const slots of [7, 75]) {
    const layer = new BidirectionalMamba(6, { state: 3 })
    await compare(layer, (x) => layer.forward(x), [2, slots, 6])
  }
})
