import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { DataError, OptionError, ShapeError } from '../../../src/base/errors.ts'
import type { Pictures } from '../../../src/base/pictures.ts'
import { type Device, openDevice } from '../../../src/platform/index.ts'
import { decodeCodes, type ImageCoder, openImageCoder } from '../../../src/systems/index.ts'
import { patches } from '../../../src/tokenizers/index.ts'

const size = { channels: 1, height: 4, width: 4 }
const pictures: Pictures = { ...size, count: 2, pixels: Uint8Array.from({ length: 32 }, (_, i) => 8 * i) }
const tokenizer = patches({ picture: size, size: 2 })
let device: Device
let coder: ImageCoder
beforeAll(async () => {
  device = await openDevice({ worker: false, threads: 1 })
  coder = openImageCoder(tokenizer, { device })
})
afterAll(async () => {
  await coder[Symbol.asyncDispose]()
  await device[Symbol.asyncDispose]()
})

describe('an image coder', () => {
  it.each([
    ['fewer pixels', { pixels: pictures.pixels.subarray(1) }],
    ['more pixels', { pixels: new Uint8Array(33) }],
    ['half a picture', { count: 1.5, pixels: new Uint8Array(24) }],
    ['no pixels', { pixels: undefined as never }],
  ])('refuses pictures of %s than they say', async (_, wrong) => {
    await expect(coder.encode({ ...pictures, ...wrong })).rejects.toThrow(ShapeError)
  })

  it.each([Number.NaN, Number.POSITIVE_INFINITY])(
    'refuses codes of %d, which would be painted as if they were something',
    async (bad) => {
      const codes = await coder.encode(pictures)
      const data = Float32Array.from(codes.data).fill(bad, 5, 6)
      const decoding = decodeCodes(tokenizer, { ...codes, data } as typeof codes, { device })
      await expect(decoding).rejects.toThrow(DataError)
      await expect(decoding).rejects.toThrow(`number 5 of the codes is ${bad}`)
    },
  )

  it.each([Number.NaN, 0.5, 2])('refuses known of %d; 0 and 1 decode', async (bad) => {
    const codes = await coder.encode(pictures)
    const known = Float32Array.of(1, 1, 1, 1, 0, 0, 0, 0)
    expect((await coder.decode(codes, { known })).pixels.subarray(0, 16)).toEqual(pictures.pixels.subarray(0, 16))
    const decoding = coder.decode(codes, { known: known.with(3, bad) })
    await expect(decoding).rejects.toThrow(OptionError)
    await expect(decoding).rejects.toThrow(`entry 3 of known is ${bad}`)
  })
})
