import type { CodeBatch, Unit } from '../../src/base/codes.ts'
import type { Layout } from '../../src/base/model.ts'
import type { LabelledPictures } from '../../src/base/pictures.ts'
import { createRng } from '../../src/base/rng.ts'
import { cast, constant, gather, greater, multiply, reshape, subtract, type Tensor } from '../../src/tensor/index.ts'
import type { ImageTokenizer } from '../../src/tokenizers/index.ts'

/** 4×4 pictures of two classes: a bright row or a bright column, at a place of its own, with some noise. */
export function toyPictures(count: number, seed: number): LabelledPictures {
  const rng = createRng(seed)
  const labels = Int32Array.from({ length: count }, (_, i) => rng.fold('class').integerAt(i, 2))
  const pixels = new Uint8Array(count * 16)
  for (let i = 0; i < count; i++) {
    const place = rng.fold('place').integerAt(i, 4)
    for (let y = 0; y < 4; y++) {
      for (let x = 0; x < 4; x++) {
        const bright = (labels[i] === 0 ? y : x) === place
        pixels[i * 16 + y * 4 + x] = (bright ? 220 : 20) + rng.fold('noise').integerAt(i * 16 + y * 4 + x, 20)
      }
    }
  }
  return { count, channels: 1, height: 4, width: 4, pixels, labels, classes: ['row', 'column'] }
}

/** Each pixel is one of two ids: dark or bright. Nothing is trained. */
export class ThresholdTokenizer implements ImageTokenizer {
  readonly kind = 'threshold'
  readonly picture = { channels: 1, height: 4, width: 4 }
  readonly unit: Unit = { kind: 'ids', vocabulary: [2] }
  readonly layout: Layout = { parts: [{ shape: [4, 4] }] }
  readonly embeddingWidth = 2

  encode(pictures: Tensor): Tensor {
    return reshape(cast(greater(pictures, 0), 'int32'), [-1, 16, 1])
  }

  decode(values: Tensor, known: Tensor): Tensor {
    const shade = subtract(multiply(cast(reshape(values, [-1, 16]), 'float32'), 2), 1)
    return reshape(multiply(shade, known), [-1, 1, 4, 4])
  }

  embed(values: Tensor): Tensor {
    return gather(constant([1, 0, 0, 1], [2, 2]), reshape(values, [-1, 16]))
  }

  toJSON() {
    return { kind: this.kind }
  }
}

/** What the threshold tokenizer makes of pictures, on the host. */
export function thresholdCodes({ count, pixels }: LabelledPictures): CodeBatch {
  const { layout } = new ThresholdTokenizer()
  return { kind: 'ids', vocabulary: [2], layout, count, data: Int32Array.from(pixels, (pixel) => Number(pixel > 127)) }
}
