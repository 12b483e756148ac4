import { createRng } from '../../../src/base/rng.ts'
import type { BlockFormat, QuantizedValues } from '../../../src/nn/index.ts'

/** Random codes and scales of a matrix. */
export function randomBlocks(rows: number, columns: number, { bits, blockSize }: BlockFormat): QuantizedValues {
  const rng = createRng(3).fold(`${rows}×${columns}, ${bits}/${blockSize}`)
  const count = rows * Math.ceil(columns / blockSize)
  return {
    bits,
    blockSize,
    blocks: Uint8Array.from({ length: (count * blockSize * bits) / 8 }, (_, i) => rng.integerAt(i, 256)),
    scales: rng
      .fold('scales')
      .fillNormal(new Float32Array(count))
      .map((scale) => scale / 2 ** bits),
  }
}

/** The weights that blocks stand for, written from the definition: rows of (code − zero)·scale. */
export function weightsOf({ bits, blockSize, blocks, scales }: QuantizedValues, columns: number): number[][] {
  const codes = bits === 8 ? [...blocks] : [...blocks].flatMap((byte) => [byte % 16, Math.floor(byte / 16)])
  const weights = codes.map((code, i) => (code - 2 ** (bits - 1)) * scales[Math.floor(i / blockSize)]!)
  const stored = Math.ceil(columns / blockSize) * blockSize
  return Array.from({ length: weights.length / stored }, (_, row) => weights.slice(row * stored, row * stored + columns))
}
