import { describe, expect, it } from 'vitest'
import { memorySource } from '../../../src/base/byte-source.ts'
import { MismatchError, NonFiniteError } from '../../../src/base/errors.ts'
import { fromHalf } from '../../../src/base/half.ts'
import type { Placement } from '../../../src/base/placement.ts'
import { createRng } from '../../../src/base/rng.ts'
import type { BlockType, StorageType, StoredTensor } from '../../../src/base/stored-tensor.ts'
import { blockSizes, isBlockType } from '../../../src/formats/block-types.ts'
import { readStoredTensor } from '../../../src/formats/index.ts'
import { Linear, placedValues, QuantizedMatrix, repackBlocks, roundWeights } from '../../../src/nn/index.ts'
import { convertBlocks, convertValues, type Source } from '../../../src/systems/convert-weights.ts'
import { loadStoredWeights } from '../../../src/systems/stored-weights.ts'
import { Variable } from '../../../src/tensor/index.ts'

const [rows, columns] = [12, 256]

/** A tensor of random bytes, in which every exponent of 16 bits is small. */
function storedOf(type: StorageType): StoredTensor {
  const size = isBlockType(type) ? blockSizes[type] : { elements: 1, bytes: type === 'float32' ? 4 : 2 }
  const byteLength = ((rows * columns) / size.elements) * size.bytes
  const rng = createRng(7).fold(type)
  const bytes = Uint8Array.from({ length: byteLength + 3 }, (_, i) => rng.integerAt(i, 256) & 0xbf)
  return { type, shape: [rows, columns], source: memorySource(bytes, 'memory'), byteOffset: 3, byteLength }
}

const order = Uint32Array.of(3, 0, 2, 1, 7, 5)
const placements: Readonly<Record<string, Placement>> = {
  'all rows': { name: 'w' },
  'some rows': { name: 'w', rows: [2, 10] },
  'some rows in another order': { name: 'w', rows: [2, 10], order: Uint32Array.of(...order, 6, 4) },
  'all rows and 1': { name: 'w', add: 1 },
  transposed: { name: 'w', transpose: true },
}
const pieces = [1, 700, 1800, 2 ** 20]

/** What the placement makes of the tensor as a whole. */
async function wholeOf({ stored, placement }: Source): Promise<{ shape: readonly number[]; values: Float32Array }> {
  const { dtype, shape, data } = await readStoredTensor(stored)
  const values =
    dtype === 'float32' ? (data as Float32Array) : Float32Array.from(data as Uint16Array, (x) => fromHalf(x, dtype as 'float16'))
  const placed = placedValues({ dtype: 'float32', shape, data: values }, placement)
  return { shape: placed.shape, values: placed.data as Float32Array }
}

/** NaN has several patterns, and zero two. */
const bitsOf = ({ buffer, byteOffset, length }: Float32Array) => new Uint32Array(buffer, byteOffset, length)

describe.each(Object.entries(placements))('a tensor converted some rows at a time, %s', (_name, placement) => {
  it.each<StorageType>(['float32', 'float16', 'bfloat16', 'q8_0', 'q4_k'])(
    'gives the bits of the whole: %s to float32',
    async (type) => {
      const source = { stored: storedOf(type), placement }
      const { shape, values } = await wholeOf(source)
      const variable = new Variable({ shape, name: 'w' })
      for (const pieceBytes of pieces)
        expect(bitsOf((await convertValues(source, variable, { pieceBytes })) as Float32Array)).toEqual(bitsOf(values))
    },
  )

  it.each<StorageType>(['float16', 'q6_k'])('gives the blocks of the whole: %s to 4 bits', async (type) => {
    const source = { stored: storedOf(type), placement }
    const { shape, values } = await wholeOf(source)
    const format = { bits: 4, blockSize: 16 } as const
    const matrix = new QuantizedMatrix(shape[0]!, shape[1]!, format)
    const expected = roundWeights(values, shape[0]!, shape[1]!, format)
    for (const pieceBytes of pieces) expect(await convertBlocks(matrix, source, { pieceBytes })).toEqual(expected)
  })
})

it.each<BlockType>(['q8_0', 'q4_0'])('blocks with an equal are kept, wherever their rows go: %s', async (type) => {
  const stored = storedOf(type)
  const bytes = await stored.source.read(stored.byteOffset, stored.byteLength)
  const rowBytes = bytes.length / rows
  const placement: Placement = { name: 'w', rows: [4, 10], order: Uint32Array.of(5, 0, 2, 1, 4, 3) }
  const moved = [9, 4, 6, 5, 8, 7].flatMap((row) => [...bytes.subarray(row * rowBytes, (row + 1) * rowBytes)])
  const expected = repackBlocks(type, Uint8Array.from(moved), 6, columns)
  const matrix = new QuantizedMatrix(6, columns, { bits: type === 'q8_0' ? 8 : 4, blockSize: 32 })
  for (const pieceBytes of pieces) expect(await convertBlocks(matrix, { stored, placement }, { pieceBytes })).toEqual(expected)
})

it('a weight that is no number is named by its place in the whole', async () => {
  const weights = new Float32Array(rows * columns)
  weights[7 * columns + 9] = Number.NaN
  const source = memorySource(new Uint8Array(weights.buffer), 'memory')
  const stored = { type: 'float32', shape: [rows, columns], source, byteOffset: 0, byteLength: weights.byteLength } as const
  const matrix = new QuantizedMatrix(rows, columns, { bits: 8, blockSize: 32 })
  const converted = convertBlocks(matrix, { stored, placement: { name: 'w' } }, { pieceBytes: 4000 })
  await expect(converted).rejects.toThrow(NonFiniteError)
  await expect(converted).rejects.toThrow('weight 7, 9 is NaN')
})

it('others have their turn between pieces, and can stop it', async () => {
  const source = { stored: storedOf('q4_k'), placement: { name: 'w' } }
  const variable = new Variable({ shape: [rows, columns], name: 'w' })
  const stop = new AbortController()
  let turns = 0
  const tick = () => {
    turns++
    if (turns === 5) stop.abort(new Error('enough'))
    else setImmediate(tick)
  }
  setImmediate(tick)
  await expect(convertValues(source, variable, { pieceBytes: 1, signal: stop.signal })).rejects.toThrow('enough')
  expect(turns).toBe(5)
})

it.each([13, 11])('a tensor of parts with %i rows has 12', async (end) => {
  const network = { a: new Linear(columns, 8), b: new Linear(columns, end - 8) }
  const place = (): Placement[] => [
    { name: 'a.weight', rows: [0, 8] },
    { name: 'b.weight', rows: [8, end] },
  ]
  const loaded = loadStoredWeights(network, new Map([['ab', storedOf('float32')]]), place, { weights: 'stored', mapped: false })
  await expect(loaded).rejects.toThrow(MismatchError)
  await expect(loaded).rejects.toThrow(/tensor ab has shape \[12, 256\]/)
})
