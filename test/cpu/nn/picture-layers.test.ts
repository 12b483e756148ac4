import { afterAll, beforeAll, expect, it } from 'vitest'
import {
  bandResizeMatrix,
  type Module,
  mapGrid,
  PictureDecoder,
  PictureEncoder,
  parameters,
  ResizablePositions,
  resize2d,
} from '../../../src/nn/index.ts'
import { type Device, openDevice } from '../../../src/platform/index.ts'
import {
  add,
  compile,
  float32,
  fromReference,
  gradients,
  interpret,
  mean,
  reshape,
  square,
  sum,
  type Tensor,
  transpose,
} from '../../../src/tensor/index.ts'
import { randomVariables } from '../../null/nn/oracle.ts'
import { expectNear, noise } from '../../null/tensor/finite-differences.ts'

let device: Device
beforeAll(async () => {
  device = await openDevice({ worker: false, threads: 1 })
})
afterAll(() => device[Symbol.asyncDispose]())

/** Results, a loss and the gradients of all weights, in the runtime and in the interpreter. */
async function compare(layer: Module, forward: (x: Tensor) => Tensor, shape: readonly number[]): Promise<void> {
  const { variables } = randomVariables(layer)
  for (const [variable, value] of variables) await variable.write(fromReference(value, 'float32').data)
  const build = ({ x }: { x: Tensor }) => {
    const result = forward(x)
    const slopes = gradients(mean(square(result)), parameters(layer))
    return { result, ...Object.fromEntries(slopes.map((slope, i) => [`gradient${i}`, slope])) }
  }
  const program = compile({ x: float32(...shape) }, build, { device })
  const x = noise('x', shape)
  const found: Record<string, { data: unknown }> = await program.run({ x: Float32Array.from(x.data) })
  const names = [...program.trace.outputs.keys()]
  const expected = interpret([...program.trace.outputs.values()], { inputs: { x }, variables })
  expect(names).toHaveLength(1 + parameters(layer).length)
  for (const [i, name] of names.entries()) expectNear(found[name]!.data as Float32Array, expected[i]!.data, name, 2e-4)
}

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
