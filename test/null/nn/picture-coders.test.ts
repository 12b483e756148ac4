import { describe, expect, it } from 'vitest'
import { OptionError, ShapeError } from '../../../src/base/errors.ts'
import { createRng } from '../../../src/base/rng.ts'
import {
  depthToSpace,
  initialize,
  namedVariables,
  type PictureCoderOptions,
  PictureDecoder,
  PictureEncoder,
  parameterCount,
  ResidualBlock2d,
} from '../../../src/nn/index.ts'
import { input, interpret, type Tensor, toReference } from '../../../src/tensor/index.ts'
import type { ReferenceValue } from '../../../src/tensor/tensor.ts'
import { noise } from '../tensor/finite-differences.ts'
import { checkLayerGradients } from './check-gradients.ts'

async function startOf(layer: { forward(x: Tensor): Tensor }, x: ReferenceValue): Promise<ReferenceValue> {
  await initialize(layer, createRng(3))
  const variables = new Map<object, ReferenceValue>()
  for (const variable of namedVariables(layer).values()) {
    const { dtype, concreteShape: shape } = variable
    variables.set(variable, toReference({ dtype, shape: [...shape], data: await variable.read() }))
  }
  return interpret([layer.forward(input('x', 'float32', x.shape))], { inputs: { x }, variables })[0]!
}

const deviation = ({ data }: ReferenceValue) => Math.sqrt(data.reduce((sum, x) => sum + x * x, 0) / data.length)
const tiny: PictureCoderOptions = { picture: { channels: 1, height: 8, width: 4 }, width: 4, latent: 3, downsample: 4 }

describe('ResidualBlock2d', () => {
  it('changes nothing before it is trained', async () => {
    const x = noise('x', [1, 8, 3, 2])
    expect([...(await startOf(new ResidualBlock2d(8, 8), x)).data]).toEqual([...x.data])
  })

  it.each([4, 6])('has gradients as finite differences do, to %d channels', (outputs) => {
    const block = new ResidualBlock2d(4, outputs)
    expect(block.shortcut !== undefined).toBe(outputs !== 4)
    checkLayerGradients(block, (x) => block.forward(x), [1, 4, 3, 3], { most: 8, tolerance: 1e-5 })
  })
})

describe('PictureEncoder and PictureDecoder', () => {
  it.each<[PictureCoderOptions, readonly number[]]>([
    [{ picture: { channels: 1, height: 28, width: 28 }, width: 32, latent: 4, downsample: 4 }, [4, 7, 7]],
    [{ picture: { channels: 3, height: 32, width: 32 }, width: 32, latent: 8, downsample: 4 }, [8, 8, 8]],
    [{ picture: { channels: 3, height: 64, width: 32 }, width: 16, latent: 2, downsample: 8 }, [2, 8, 4]],
    [{ picture: { channels: 1, height: 28, width: 28 }, width: 32, latent: 16, downsample: 2 }, [16, 14, 14]],
  ])('go there and back: %j', (options, grid) => {
    const { channels, height, width } = options.picture
    const [encoder, decoder] = [new PictureEncoder(options), new PictureDecoder(options)]
    const encoded = encoder.forward(input('x', 'float32', ['batch', channels, height, width]))
    expect(encoded.shape.slice(1)).toEqual(grid)
    expect(decoder.forward(encoded).shape.slice(1)).toEqual([channels, height, width])
    for (const half of [encoder, decoder]) expect(parameterCount(half)).toBeLessThan(250_000)
  })

  it('have gradients as finite differences do', () => {
    const [encoder, decoder] = [new PictureEncoder(tiny), new PictureDecoder(tiny)]
    checkLayerGradients(encoder, (x) => encoder.forward(x), [1, 1, 8, 4], { most: 2, tolerance: 1e-5 })
    checkLayerGradients(decoder, (x) => decoder.forward(x), [1, 3, 2, 1], { most: 2, tolerance: 1e-5 })
  })

  it('start with latents of about unit size and nearly grey pictures', async () => {
    const options: PictureCoderOptions = { ...tiny, picture: { channels: 1, height: 16, width: 16 }, width: 16, latent: 4 }
    for (const scale of [0.2, 1]) {
      const x = noise('x', [2, 1, 16, 16])
      const latents = await startOf(new PictureEncoder(options), { ...x, data: x.data.map((value) => scale * value) })
      expect(deviation(latents)).toBeGreaterThan(0.5)
      expect(deviation(latents)).toBeLessThan(1.6)
      expect(deviation(await startOf(new PictureDecoder(options), latents))).toBeLessThan(0.3)
    }
  })

  it('refuse sizes and options that do not fit', () => {
    const make = (options: object) => () => new PictureEncoder({ ...tiny, ...options })
    expect(make({ downsample: 3 })).toThrow(OptionError)
    expect(make({ picture: { channels: 1, height: 30, width: 28 } })).toThrow(/multiples of 4/)
    expect(make({ width: 6 })).toThrow(OptionError)
    expect(make({ latent: 0 })).toThrow(OptionError)
    expect(make({ depth: 2 })).toThrow(/depth/)
    expect(() => new PictureDecoder(tiny).forward(input('x', 'float32', [1, 4, 1, 2]))).toThrow(ShapeError)
    expect(() => new PictureEncoder(tiny).forward(input('x', 'float32', [1, 1, 9, 8]))).toThrow(ShapeError)
  })
})

describe('depthToSpace', () => {
  it('lays channels out as pixels', () => {
    const x = { shape: [1, 4, 1, 2], data: Float64Array.from({ length: 8 }, (_, i) => i) }
    const [result] = interpret([depthToSpace(input('x', 'float32', x.shape), 2)], { inputs: { x } })
    expect(result!.shape).toEqual([1, 1, 2, 4])
    expect([...result!.data]).toEqual([0, 2, 1, 3, 4, 6, 5, 7])
  })

  it('refuses channels that are no multiple of the square', () => {
    expect(() => depthToSpace(input('x', 'float32', [1, 6, 2, 2]), 2)).toThrow(ShapeError)
  })
})
