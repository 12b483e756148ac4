import { describe, expect, test } from 'vitest'
import { OptionError } from '../../../../src/base/errors.ts'
import type { PictureSize, Pictures } from '../../../../src/base/pictures.ts'
import { bae, fsq, type ImageTokenizer, multiScale, patches, taef2, vae, vq } from '../../../../src/tokenizers/index.ts'

const small = { width: 4, downsample: 8 } as const
const makers: Readonly<Record<string, (picture: PictureSize) => ImageTokenizer>> = {
  vq: (picture) => vq({ ...small, picture, codes: 8, dimension: 4 }),
  fsq: (picture) => fsq({ ...small, picture, levels: [3, 3] }),
  bae: (picture) => bae({ ...small, picture, bits: 2 }),
  vae: (picture) => vae({ ...small, picture, channels: 2 }),
  multiScale: (picture) => multiScale({ ...small, picture, codes: 8, dimension: 4, scales: [1, 2] }),
  patches: (picture) => patches({ picture, size: 8 }),
  taef2: (picture) => taef2({ picture }),
}
const size = { channels: 3, height: 16, width: 16 }
const pictures: Pictures = { ...size, count: 2, pixels: new Uint8Array(2 * 3 * 16 * 16) }

describe.each(Object.entries(makers))('%s', (_name, make) => {
  test('takes pictures where their size is wanted, and keeps the size alone', () => {
    const tokenizer = make(pictures)
    expect(tokenizer.picture).toEqual(size)
    expect(tokenizer.toJSON().picture).toEqual(size)
  })

  test('refuses a size that is none', () => {
    const { width: _, ...narrow } = size
    expect(() => make(narrow as PictureSize)).toThrow(OptionError)
    expect(() => make({ ...size, channels: 0 })).toThrow(OptionError)
  })
})
