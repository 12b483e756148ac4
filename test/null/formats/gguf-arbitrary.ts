import fc from 'fast-check'
import { blockSizes, type GgufArray, type GgufValue } from '../../../src/formats/index.ts'
import { tensorTypes, uint32, uint64, valueTypes } from './gguf-files.ts'

/** A file as the numbers and texts that it consists of, so that each can be changed; `data` begins at the next multiple of 32. */
export interface GgufPieces {
  readonly header: readonly Uint8Array[]
  readonly data: Uint8Array
}

export interface GgufCase extends GgufPieces {
  readonly metadata: ReadonlyMap<string, GgufValue>
  /** Names, shapes with the outermost axis first, and bytes of the tensors. */
  readonly tensors: readonly { readonly name: string; readonly shape: readonly number[]; readonly bytes: Uint8Array }[]
}

export function joinPieces({ header, data }: GgufPieces): Uint8Array {
  const length = header.reduce((sum, piece) => sum + piece.length, 0)
  return new Uint8Array(Buffer.concat([...header, new Uint8Array(-length & 31), data]))
}

interface Value {
  readonly type: number
  readonly pieces: readonly Uint8Array[]
  readonly value: GgufValue
}

const textPieces = (text: string) => {
  const bytes = new TextEncoder().encode(text)
  return [uint64(bytes.length), bytes]
}

const word = fc.string({ unit: 'binary', maxLength: 5 })

type Kind = keyof typeof valueTypes

/** Numbers of a type by the array that holds their bytes. */
const arrays = {
  uint8: Uint8Array,
  int8: Int8Array,
  uint16: Uint16Array,
  int16: Int16Array,
  uint32: Uint32Array,
  int32: Int32Array,
  float32: Float32Array,
  uint64: BigUint64Array,
  int64: BigInt64Array,
  float64: Float64Array,
} as const

const numbers = fc
  .record({
    kind: fc.constantFrom(...(Object.keys(arrays) as (keyof typeof arrays)[])),
    items: fc.array(fc.uint8Array({ minLength: 8, maxLength: 8 }), { maxLength: 3 }),
  })
  .map(({ kind, items }) => {
    const size = arrays[kind].BYTES_PER_ELEMENT
    const bytes = new Uint8Array(Buffer.concat(items.map((item) => item.subarray(0, size))))
    return { kind, pieces: items.map((item) => item.subarray(0, size)), array: new arrays[kind](bytes.buffer) }
  })

const scalar: fc.Arbitrary<Value> = fc.oneof(
  word.map((text) => ({ type: valueTypes.string, pieces: textPieces(text), value: text })),
  fc.boolean().map((value) => ({ type: valueTypes.bool, pieces: [Uint8Array.of(Number(value))], value })),
  numbers
    .filter(({ array }) => array.length > 0)
    .map(({ kind, pieces, array }) => ({ type: valueTypes[kind as Kind], pieces: [pieces[0]!], value: exact(array[0]!) })),
)

function exact(value: number | bigint): number | bigint {
  return Number.isSafeInteger(Number(value)) ? Number(value) : value
}

/** An array with the type of its elements and its length before it. */
const arrayOf = (deeper: fc.Arbitrary<readonly [readonly Uint8Array[], GgufArray]>) =>
  fc.oneof(
    numbers.map(({ kind, pieces, array }) => [[uint32(valueTypes[kind]), uint64(array.length), ...pieces], array] as const),
    fc
      .array(word, { maxLength: 4 })
      .map((words) => [[uint32(valueTypes.string), uint64(words.length), ...words.flatMap(textPieces)], words] as const),
    fc
      .array(fc.boolean(), { maxLength: 4 })
      .map((values) => [[uint32(valueTypes.bool), uint64(values.length), Uint8Array.from(values, Number)], values] as const),
    fc
      .array(deeper, { maxLength: 2 })
      .map(
        (items) =>
          [
            [uint32(valueTypes.array), uint64(items.length), ...items.flatMap(([pieces]) => pieces)],
            items.map(([, value]) => value),
          ] as const,
      ),
  )

const flat = arrayOf(fc.constant([[uint32(0), uint64(0)], new Uint8Array(0)] as const))
const array: fc.Arbitrary<Value> = arrayOf(flat).map(([pieces, value]) => ({ type: valueTypes.array, pieces, value }))

const key = fc.string({ unit: 'binary', minLength: 1, maxLength: 4 })
const entries = fc.uniqueArray(fc.tuple(key, fc.oneof(scalar, array)), { maxLength: 4, selector: ([name]) => name })

/** Elements and bytes of the smallest row, by the type's name in files. */
const units = new Map<keyof typeof tensorTypes, { elements: number; bytes: number }>([
  ['F32', { elements: 1, bytes: 4 }],
  ['F16', { elements: 1, bytes: 2 }],
  ['BF16', { elements: 1, bytes: 2 }],
  ['Q4_0', blockSizes.q4_0],
  ['Q8_0', blockSizes.q8_0],
  ['Q4_K', blockSizes.q4_k],
  ['Q6_K', blockSizes.q6_k],
])

const tensor = fc.record({
  name: key,
  type: fc.constantFrom(...units.keys()),
  // Innermost first, the first in blocks.
  dimensions: fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 1, maxLength: 4 }),
  seed: fc.nat({ max: 255 }),
})

export const ggufCase: fc.Arbitrary<GgufCase> = fc
  .tuple(entries, fc.uniqueArray(tensor, { maxLength: 3, selector: ({ name }) => name }))
  .map(([entries, described]) => {
    const metadata = new Map(entries.map(([key, { value }]) => [key, value]))
    const data: Uint8Array[] = []
    const header = [new TextEncoder().encode('GGUF'), uint32(3), uint64(described.length), uint64(entries.length)]
    for (const [name, { type, pieces }] of entries) header.push(...textPieces(name), uint32(type), ...pieces)
    let offset = 0
    const tensors = described.map(({ name, type, dimensions, seed }) => {
      const unit = units.get(type)!
      const sizes = dimensions.map((size, axis) => (axis === 0 ? size * unit.elements : size))
      const bytes = new Uint8Array(dimensions.reduce((product, size) => product * size, unit.bytes)).fill(seed)
      header.push(...textPieces(name), uint32(sizes.length), ...sizes.map(uint64), uint32(tensorTypes[type]), uint64(offset))
      data.push(bytes, new Uint8Array(-bytes.length & 31))
      offset += Math.ceil(bytes.length / 32) * 32
      return { name, shape: sizes.reverse(), bytes }
    })
    return { header, data: new Uint8Array(Buffer.concat(data)), metadata, tensors }
  })
