import { it } from 'vitest'
import { bandResizeMatrix, mapGrid, PictureDecoder, PictureEncoder, ResizablePositions, resize2d } from '../../../src/nn/index.ts'
import { add, reshape, sum, transpose } from '../../../src/tensor/index.ts'
import { layerComparison } from './compare-layer.ts'

const compare = layerComparison()

it('an encoder and a decoder compute in the runtime what the interpreter computes, and so do their gradients', async () => {
  const options = { picture: { channels: 1, height: 8, width: 12 }, width: 8, latent: 3, downsample: 4 } as const
  const both = { encoder: new PictureEncoder(options), decoder: new PictureDecoder(options) }
  await compare(both, (x) => both.decoder.forward(both.encoder.forward(x)), [2, 1, 8, 12])
})

it('grids are resized in the runtime as in the interpreter', async () => {
  const positions = new ResizablePositions(4, { size: 5 })
  const up = bandResizeMatrix(3, 5)
  const places = () => reshape(transpose(positions.forward([3, 2])), [1, 4, 3, 2])
  await compare(
    positions,
    (x) => add(mapGrid(resize2d(add(x, places()), 'bicubic', [3, 3]), up, up), sum(resize2d(x, 'area', [2, 1]))),
    [2, 4, 3, 2],
  )
})
