import type { CodeBatch, Unit } from '../../src/base/codes.ts'
import type { Layout } from '../../src/base/model.ts'
import { type LabelledPictures, pictureValues } from '../../src/base/pictures.ts'
import { multiply, reshape, type Tensor, transpose, unsqueeze } from '../../src/tensor/index.ts'
import type { ImageTokenizer } from '../../src/tokenizers/index.ts'

/** 4×4 pictures as four vectors: the pixels of 2×2 patches. Nothing is trained. */
export class PatchToy implements ImageTokenizer {
  readonly kind = 'toy-patches'
  readonly picture = { channels: 1, height: 4, width: 4 }
  readonly unit: Unit = { kind: 'vectors', dimension: 4 }
  readonly layout: Layout = { parts: [{ shape: [2, 2] }] }
  readonly embeddingWidth = 4

  encode(pictures: Tensor): Tensor {
    return reshape(transpose(reshape(pictures, [-1, 2, 2, 2, 2]), [0, 1, 3, 2, 4]), [-1, 4, 4])
  }

  decode(values: Tensor, known: Tensor): Tensor {
    const patches = reshape(multiply(values, unsqueeze(known, -1)), [-1, 2, 2, 2, 2])
    return reshape(transpose(patches, [0, 1, 3, 2, 4]), [-1, 1, 4, 4])
  }

  embed(values: Tensor): Tensor {
    return values
  }

  toJSON() {
    return { kind: this.kind }
  }
}

/** What the tokenizer makes of pictures, on the host. */
export function patchCodes(pictures: LabelledPictures): CodeBatch {
  const pixels = pictureValues(pictures, Int32Array.from(pictures.labels.keys()))
  const data = pixels.map((_, i) => {
    const [picture, patch, inner] = [Math.floor(i / 16), Math.floor(i / 4) % 4, i % 4]
    const [y, x] = [2 * Math.floor(patch / 2) + Math.floor(inner / 2), 2 * (patch % 2) + (inner % 2)]
    return pixels[picture * 16 + y * 4 + x]!
  })
  return { kind: 'vectors', dimension: 4, layout: new PatchToy().layout, count: pictures.count, data }
}
