import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type ByteSource, memorySource } from '../../src/base/byte-source.ts'
import { FormatError } from '../../src/base/errors.ts'
import { type Gguf, type GgufValue, readGguf, readStoredTensor } from '../../src/formats/index.ts'
import { type GgufPieces, ggufCase, joinPieces } from '../null/formats/gguf-arbitrary.ts'
import { uint32, uint64 } from '../null/formats/gguf-files.ts'
import { budget, patience } from './budget.ts'

/** A source that counts the bytes that were read of it. */
function counted(bytes: Uint8Array): { source: ByteSource; total: () => number } {
  let total = 0
  const { read, ...rest } = memorySource(bytes, 'file')
  const source: ByteSource = {
    ...rest,
    read(offset, length) {
      total += length
      return read(offset, length)
    },
  }
  return { source, total: () => total }
}

/** The file, or undefined when it is refused; anything but a FormatError is thrown on. */
async function readOrRefuse(bytes: Uint8Array): Promise<Gguf | undefined> {
  const { source, total } = counted(bytes)
  try {
    return await readGguf(source)
  } catch (error) {
    if (error instanceof FormatError) return undefined
    throw error
  } finally {
    expect(total()).toBeLessThanOrEqual(2 * bytes.length)
  }
}

/** What every accepted file promises: nothing is larger than the bytes it came from, and tensors share none. */
async function checkAccepted({ metadata, tensors }: Gguf, bytes: Uint8Array): Promise<void> {
  let size = 0
  for (const [key, value] of metadata) size += Buffer.byteLength(key) + leastBytes(value)
  for (const { byteLength } of tensors.values()) size += byteLength
  expect(size).toBeLessThanOrEqual(bytes.length)
  const places = [...tensors.values()].sort((left, right) => left.byteOffset - right.byteOffset)
  let end = size === 0 ? 0 : 24
  for (const { byteOffset, byteLength } of places) {
    expect(byteOffset).toBeGreaterThanOrEqual(end)
    end = byteOffset + byteLength
  }
  expect(end).toBeLessThanOrEqual(bytes.length)
  for (const tensor of places) {
    const { shape, data } = await readStoredTensor(tensor)
    expect(data.length).toBe(shape.reduce((product, dimension) => product * dimension, 1))
  }
}

function leastBytes(value: GgufValue): number {
  if (typeof value === 'string') return Buffer.byteLength(value)
  if (ArrayBuffer.isView(value)) return value.byteLength
  if (typeof value === 'object') return value.reduce<number>((sum, item) => sum + leastBytes(item), 0)
  return 1
}

test(
  'any file is read as what was written',
  async () => {
    await fc.assert(
      fc.asyncProperty(ggufCase, async (written) => {
        const read = await readGguf(memorySource(joinPieces(written), 'file'))
        expect(read.metadata).toEqual(written.metadata)
        expect([...read.tensors].map(([name, { shape }]) => ({ name, shape }))).toEqual(
          written.tensors.map(({ name, shape }) => ({ name, shape: [...shape] })),
        )
        for (const { name, bytes } of written.tensors) {
          const { source, byteOffset, byteLength } = read.tensors.get(name)!
          expect(await source.read(byteOffset, byteLength)).toEqual(bytes)
        }
      }),
      budget(300, 1),
    )
  },
  patience,
)

const hostileNumbers = [0n, 1n, 2n, 8n, 9n, 13n, 31n, 32n, 255n, 2n ** 31n, 2n ** 32n - 1n, 2n ** 53n, 2n ** 63n, 2n ** 64n - 1n]

type Mutation = (pieces: GgufPieces) => GgufPieces

/** Changes one number or text of the header, counted around; all around it keeps its own form. */
function inHeader(nth: number, change: (piece: Uint8Array) => readonly Uint8Array[]): Mutation {
  return ({ header, data }) => {
    const chosen = nth % Math.max(header.length, 1)
    return { data, header: header.flatMap((piece, index) => (index === chosen ? change(piece) : [piece])) }
  }
}

function numberLike(piece: Uint8Array, value: bigint): Uint8Array {
  if (piece.length === 4) return uint32(Number(BigInt.asUintN(32, value)))
  if (piece.length === 8) return uint64(BigInt.asUintN(64, value))
  return piece
}

function numberOf(piece: Uint8Array): bigint {
  return piece.reduceRight((sum, byte) => 256n * sum + BigInt(byte), 0n)
}

const nth = fc.nat({ max: 60 })
const mutation: fc.Arbitrary<Mutation> = fc.oneof(
  fc.tuple(nth, fc.constantFrom(...hostileNumbers)).map(([n, value]) => inHeader(n, (piece) => [numberLike(piece, value)])),
  fc
    .tuple(nth, fc.bigInt({ min: -33n, max: 33n }))
    .map(([n, by]) => inHeader(n, (piece) => [numberLike(piece, numberOf(piece) + by)])),
  nth.map((n) => inHeader(n, () => [])),
  nth.map((n) => inHeader(n, (piece) => [piece, piece])),
  fc.tuple(nth, fc.uint8Array({ maxLength: 6 })).map(([n, bytes]) => inHeader(n, () => [uint64(bytes.length), bytes])),
  fc
    .tuple(nth, fc.nat(), fc.nat({ max: 255 }))
    .map(([n, at, byte]) => inHeader(n, (piece) => [piece.map((old, index) => (index === at % piece.length ? byte : old))])),
  // The file ends early, or late.
  fc.nat().map(
    (length): Mutation =>
      ({ header, data }) => ({ header, data: data.subarray(0, length % (data.length + 1)) }),
  ),
  fc.nat().map(
    (length): Mutation =>
      ({ header }) => ({ header: header.slice(0, length % (header.length + 1)), data: new Uint8Array(0) }),
  ),
  fc.uint8Array({ minLength: 1, maxLength: 99 }).map(
    (tail): Mutation =>
      ({ header, data }) => ({ header, data: new Uint8Array(Buffer.concat([data, tail])) }),
  ),
)

test(
  'a file with changed fields is read as what it says, or refused',
  async () => {
    let accepted = 0
    let refused = 0
    const { numRuns, seed } = budget(3000, 2)
    await fc.assert(
      fc.asyncProperty(ggufCase, fc.array(mutation, { minLength: 1, maxLength: 3 }), async (pieces, mutations) => {
        const bytes = joinPieces(mutations.reduce<GgufPieces>((file, mutate) => mutate(file), pieces))
        const read = await readOrRefuse(bytes)
        if (read === undefined) refused++
        else {
          accepted++
          await checkAccepted(read, bytes)
        }
      }),
      { numRuns, seed },
    )
    // The mutations are neither all harmless nor all fatal.
    expect(accepted).toBeGreaterThan(0.05 * numRuns)
    expect(refused).toBeGreaterThan(0.3 * numRuns)
  },
  patience,
)

test(
  'changed bytes are read or refused',
  async () => {
    const edits = fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { minLength: 1, maxLength: 4 })
    await fc.assert(
      fc.asyncProperty(ggufCase, edits, async (pieces, changes) => {
        const bytes = joinPieces(pieces)
        for (const [at, byte] of changes) bytes[at % bytes.length] = byte
        const read = await readOrRefuse(bytes)
        if (read !== undefined) await checkAccepted(read, bytes)
      }),
      budget(1500, 3),
    )
  },
  patience,
)

test('arbitrary bytes after the magic are read or refused', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 80 }), async (tail) => {
      await readOrRefuse(new Uint8Array(Buffer.concat([Buffer.from('GGUF'), uint32(3), tail])))
      expect(await readOrRefuse(tail)).toBeUndefined()
    }),
    budget(1000, 4),
  )
})
