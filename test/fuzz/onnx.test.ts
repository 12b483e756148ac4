import { BinaryReader, WireType } from '@bufbuild/protobuf/wire'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { FormatError } from '../../src/base/errors.ts'
import { decodeOnnx, encodeOnnx, type OnnxModel } from '../../src/formats/index.ts'
import { annotatedOnnx, plainOnnx } from '../null/formats/fixtures.ts'
import { gemm } from '../null/formats/onnx-models.ts'
import { bytesField, field, message, varint } from '../null/formats/protobuf.ts'
import { tensor } from '../null/formats/tensors.ts'

const external = encodeOnnx(gemm(tensor('float32', [2, 3], [1, 2, 3, 4, 5, 6]), tensor('float32', [2], [1, 2])), {
  externalThreshold: 8,
  externalLocation: 'w.bin',
})
const externalData = { 'w.bin': external.external! }
const corpus = [annotatedOnnx, plainOnnx, external.model]

const hostileIntegers = [-1, 0, 1, 127, 2 ** 31, 2 ** 32, 2 ** 53, 2n ** 63n, 2n ** 64n - 1n]

/** Steps of a walk down the fields of a message: which field, and what to do there. */
interface Walk {
  readonly steps: readonly number[]
  readonly action: 'drop' | 'double' | 'renumber' | 'integer' | 'bytes' | 'retype'
  readonly argument: number
  readonly bytes: Uint8Array
}

const walk: fc.Arbitrary<Walk> = fc.record({
  steps: fc.array(fc.nat({ max: 40 }), { minLength: 1, maxLength: 7 }),
  action: fc.constantFrom('drop', 'double', 'renumber', 'integer', 'bytes', 'retype'),
  argument: fc.nat({ max: 30 }),
  bytes: fc.uint8Array({ maxLength: 6 }),
})

interface Field {
  readonly number: number
  readonly wire: WireType
  readonly content: Uint8Array
}

/** The fields of a message; undefined when it is none. */
function fieldsOf(bytes: Uint8Array): Field[] | undefined {
  const reader = new BinaryReader(bytes)
  const fields: Field[] = []
  try {
    while (reader.pos < reader.len) {
      const [number, wire] = reader.tag()
      fields.push({ number, wire, content: wire === WireType.LengthDelimited ? reader.bytes() : reader.skip(wire, number) })
    }
    return fields
  } catch {
    return undefined
  }
}

function encodeField({ number, wire, content }: Field): Uint8Array {
  return wire === WireType.LengthDelimited ? bytesField(number, content) : Uint8Array.from([...field(number, wire), ...content])
}

/** The message with one field changed at the end of the walk; lengths around it stay right. */
function mutate(bytes: Uint8Array, walk: Walk): Uint8Array {
  const fields = fieldsOf(bytes)
  const chosen = fields?.[walk.steps[0]! % Math.max(fields.length, 1)]
  if (fields === undefined || chosen === undefined) return walk.bytes
  const isLeaf = walk.steps.length === 1 || chosen.wire !== WireType.LengthDelimited
  const inner = { ...walk, steps: walk.steps.slice(1) }
  const changed = isLeaf ? change(chosen, walk) : bytesField(chosen.number, mutate(chosen.content, inner))
  return Buffer.concat(fields.map((one) => (one === chosen ? changed : encodeField(one))))
}

function change(chosen: Field, { action, argument, bytes }: Walk): Uint8Array {
  const { number } = chosen
  const changes = {
    drop: () => new Uint8Array(0),
    double: () => Buffer.concat([encodeField(chosen), encodeField(chosen)]),
    renumber: () => encodeField({ ...chosen, number: argument + 1 }),
    integer: () => varint(number, hostileIntegers[argument % hostileIntegers.length]!),
    bytes: () => bytesField(number, bytes),
    retype: () => Uint8Array.from([...field(number, argument % 6), ...bytes]),
  }
  return changes[action]()
}

function readOrRefuse(bytes: Uint8Array): OnnxModel | undefined {
  try {
    return decodeOnnx(bytes, { externalData })
  } catch (error) {
    if (error instanceof FormatError) return undefined
    throw error
  }
}

test('a model with changed fields is read as what it says, or refused', () => {
  let accepted = 0
  let refused = 0
  fc.assert(
    fc.property(fc.constantFrom(...corpus), fc.array(walk, { minLength: 1, maxLength: 2 }), (bytes, walks) => {
      const read = readOrRefuse(walks.reduce(mutate, bytes))
      if (read === undefined) refused++
      else {
        accepted++
        // What was read is consistent: it can be written, and reads as the same again.
        expect(decodeOnnx(encodeOnnx(read).model)).toEqual(read)
      }
    }),
    { numRuns: 1500, seed: 1 },
  )
  expect(accepted).toBeGreaterThan(100)
  expect(refused).toBeGreaterThan(500)
})

test('changed bytes are read or refused', () => {
  const edits = fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { minLength: 1, maxLength: 4 })
  fc.assert(
    fc.property(fc.constantFrom(...corpus), edits, (bytes, changes) => {
      const mutated = bytes.slice()
      for (const [at, byte] of changes) mutated[at % bytes.length] = byte
      readOrRefuse(mutated)
    }),
    { numRuns: 4000, seed: 2 },
  )
})

test('arbitrary bytes are read or refused', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
      readOrRefuse(bytes)
      readOrRefuse(Uint8Array.from([...varint(1, 10), ...message(7, bytes)]))
    }),
    { numRuns: 2000, seed: 3 },
  )
})
