import type { CodeBatch } from '../../src/base/codes.ts'
import { type LabelledPictures, pictureValues } from '../../src/base/pictures.ts'
import { type ImageTokenizer, patches, pyramid } from '../../src/tokenizers/index.ts'

/** 4×4 pictures as four vectors: the pixels of 2×2 patches. */
export function toyPatches(): ImageTokenizer {
  return patches({ picture: { channels: 1, height: 4, width: 4 }, size: 2 })
}

/** What that tokenizer makes of pictures, on the host. */
export function patchCodes(pictures: LabelledPictures): CodeBatch {
  const pixels = pictureValues(pictures, Int32Array.from(pictures.labels.keys()))
  const data = pixels.map((_, i) => {
    const [picture, patch, inner] = [Math.floor(i / 16), Math.floor(i / 4) % 4, i % 4]
    const [y, x] = [2 * Math.floor(patch / 2) + Math.floor(inner / 2), 2 * (patch % 2) + (inner % 2)]
    return pixels[picture * 16 + y * 4 + x]!
  })
  return { kind: 'vectors', dimension: 4, layout: toyPatches().layout, count: pictures.count, data }
}

/** 4×4 pictures as their pixels, averaged to smaller squares such as 1×1 and 2×2, and as they are. */
export function toyPyramid(scales: readonly (1 | 2 | 4)[] = [1, 2, 4]): ImageTokenizer {
  return pyramid({ base: patches({ picture: { channels: 1, height: 4, width: 4 }, size: 1 }).toJSON(), scales: [...scales] })
}

/** What that tokenizer makes of pictures, on the host. */
export function pyramidCodes(pictures: LabelledPictures, scales: readonly (1 | 2 | 4)[] = [1, 2, 4]): CodeBatch {
  const pixels = pictureValues(pictures, Int32Array.from(pictures.labels.keys()))
  const data = Array.from({ length: pictures.count }, (_, picture) => {
    const own = [...pixels.subarray(picture * 16, picture * 16 + 16)]
    const mean = (places: number[]) => places.reduce((sum, place) => sum + own[place]!, 0) / places.length
    const quarters = [0, 2, 8, 10].map((corner) => mean([corner, corner + 1, corner + 4, corner + 5]))
    const grids = { 1: [mean([...own.keys()])], 2: quarters, 4: own }
    return scales.flatMap((scale) => grids[scale])
  })
  return {
    kind: 'vectors',
    dimension: 1,
    layout: toyPyramid(scales).layout,
    count: pictures.count,
    data: Float32Array.from(data.flat()),
  }
}
