import { it } from 'vitest'
import {
  autoCorrelationMixing,
  BidirectionalMamba,
  Companion,
  closedLoop,
  Diagonal,
  decomposeSeries,
  finalState,
  HeadMixer,
  longConvolution,
  softmaxMixing,
  sparseMixing,
} from '../../../src/nn/index.ts'
import { add, concat, slice, type Tensor } from '../../../src/tensor/index.ts'
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

it('state spaces, their convolutions and closed loops', async () => {
  for (const time of [20, 150]) {
    const layer = { companion: new Companion({ heads: 3, state: 5 }), diagonal: new Diagonal({ heads: 3, state: 4 }) }
    const forward = (u: Tensor) => {
      const seen = add(longConvolution(u, layer.companion.kernel(time)), longConvolution(u, layer.diagonal.kernel(time)))
      const system = layer.companion.system()
      const loop = closedLoop({ ...system, feedback: system.c }, finalState(system, u), 5)
      return concat([seen, loop.outputs], 1)
    }
    await compare(layer, forward, [2, time, 3], 1e-3)
  }
})
