import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { FormatError } from '../../src/base/errors.ts'
import type { Pictures } from '../../src/base/pictures.ts'
import { decodePicture, type IdxArray, readIdx } from '../../src/formats/index.ts'
import { idxFile } from '../null/formats/idx-files.ts'
import { jpegFile, jpegFiles } from '../null/formats/jpeg-files.ts'
import { chunk, pngFile } from '../null/formats/png-files.ts'
import { budget, patience } from './budget.ts'

type Mutation = (bytes: Uint8Array) => Uint8Array

const mutation: fc.Arbitrary<Mutation> = fc.oneof(
  fc.tuple(fc.nat(), fc.nat({ max: 255 })).map(
    ([at, byte]): Mutation =>
      (bytes) =>
        bytes.with(at % bytes.length, byte),
  ),
  fc.tuple(fc.nat(), fc.constantFrom(0, 1, 0x7f, 0x80, 0xff)).map(
    ([at, byte]): Mutation =>
      (bytes) =>
        bytes.map((old, index) => (index >= at % bytes.length && index < (at % bytes.length) + 4 ? byte : old)),
  ),
  fc.nat().map(
    (length): Mutation =>
      (bytes) =>
        bytes.slice(0, 1 + (length % bytes.length)),
  ),
  fc.tuple(fc.nat(), fc.nat({ max: 40 })).map(
    ([at, length]): Mutation =>
      (bytes) =>
        Uint8Array.from([...bytes.subarray(0, at % bytes.length), ...bytes.subarray((at % bytes.length) + length), 0]),
  ),
  fc.tuple(fc.nat(), fc.nat({ max: 60 })).map(
    ([at, length]): Mutation =>
      (bytes) => {
        const start = at % bytes.length
        return Uint8Array.from([...bytes.subarray(0, start + length), ...bytes.subarray(start)])
      },
  ),
  fc.tuple(fc.nat(), fc.uint8Array({ minLength: 1, maxLength: 6 })).map(
    ([at, piece]): Mutation =>
      (bytes) =>
        Uint8Array.from([...bytes.subarray(0, at % bytes.length), ...piece, ...bytes.subarray(at % bytes.length)]),
  ),
)

/** The checksums of all chunks made right again, so that what was changed is looked at. */
function withChecksums(file: Uint8Array): Uint8Array {
  const pieces = [file.subarray(0, 8)]
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength)
  for (let offset = 8; offset + 12 <= file.length; ) {
    const length = view.getUint32(offset)
    const end = offset + 12 + length
    if (end > file.length) return Uint8Array.from([...pieces.flatMap((piece) => [...piece]), ...file.subarray(offset)])
    const name = String.fromCharCode(...file.subarray(offset + 4, offset + 8))
    const ascii = /^[\0-\x7f]{4}$/.test(name)
    pieces.push(ascii ? chunk(name, file.subarray(offset + 8, end - 4)) : file.subarray(offset, end))
    offset = end
  }
  return Uint8Array.from(pieces.flatMap((piece) => [...piece]))
}

const kinds = [
  [0, 1],
  [0, 8],
  [2, 8],
  [2, 16],
  [3, 2],
  [4, 8],
  [6, 8],
] as const
const pngCase = fc
  .tuple(fc.constantFrom(...kinds), fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 9 }), fc.boolean())
  .map(([[type, depth], width, height, interlaced]) => {
    const samples = Array.from({ length: width * height * 4 }, (_, index) => (index * 7919) % (type === 3 ? 3 : 2 ** depth))
    const palette = type === 3 ? { palette: [1, 2, 3, 4, 5, 6, 7, 8, 9] } : {}
    return pngFile({ width, height, type, depth, interlaced: interlaced && depth >= 8, samples, ...palette })
  })
const jpegCase = fc.constantFrom(...(Object.keys(jpegFiles) as (keyof typeof jpegFiles)[])).map(jpegFile)

/** The picture, or undefined when the file is refused; anything but a FormatError is thrown on. */
async function decodeOrRefuse(bytes: Uint8Array): Promise<Pictures | undefined> {
  try {
    return await decodePicture(bytes, { limits: { maxPixels: 2 ** 16 } })
  } catch (error) {
    if (error instanceof FormatError) return undefined
    throw error
  }
}

function checkAccepted({ count, channels, height, width, pixels }: Pictures): void {
  expect(count).toBe(1)
  expect([1, 3]).toContain(channels)
  expect(height * width).toBeGreaterThan(0)
  expect(height * width).toBeLessThanOrEqual(2 ** 16)
  expect(pixels.length).toBe(channels * height * width)
}

test.each<[string, fc.Arbitrary<Uint8Array>, number, number, Mutation]>([
  ['PNG', pngCase, 4, 3, (file) => file],
  ['PNG with right checksums', pngCase, 5, 10, withChecksums],
  ['JPEG', jpegCase, 6, 30, (file) => file],
])(
  'a mutated %s file is a picture or refused',
  async (_, valid, seed, least, repair) => {
    let [accepted, refused] = [0, 0]
    await fc.assert(
      fc.asyncProperty(valid, fc.array(mutation, { minLength: 1, maxLength: 3 }), async (file, mutations) => {
        const read = await decodeOrRefuse(repair(mutations.reduce((bytes, mutate) => mutate(bytes), file)))
        if (read === undefined) refused++
        else {
          accepted++
          checkAccepted(read)
        }
      }),
      budget(600, seed),
    )
    // The mutations are neither all harmless nor all fatal.
    expect(refused).toBeGreaterThan(100)
    expect(accepted).toBeGreaterThan(least)
  },
  patience,
)

test(
  'a mutated idx file is an array of its own sizes, or refused',
  async () => {
    const valid = fc
      .tuple(fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 1, maxLength: 3 }), fc.boolean())
      .map(([shape, compressed]) => {
        const file = idxFile(shape, new Uint8Array(shape.reduce((product, size) => product * size, 1)))
        return compressed ? new Uint8Array(gzipSync(file)) : file
      })
    await fc.assert(
      fc.asyncProperty(valid, fc.array(mutation, { minLength: 1, maxLength: 2 }), async (file, mutations) => {
        const read = await idxOrRefuse(mutations.reduce((bytes, mutate) => mutate(bytes), file))
        if (read) expect(read.data.length).toBe(read.shape.reduce((product, size) => product * size, 1))
      }),
      budget(600, 7),
    )
  },
  patience,
)

async function idxOrRefuse(bytes: Uint8Array): Promise<IdxArray | undefined> {
  try {
    return await readIdx(bytes)
  } catch (error) {
    if (error instanceof FormatError) return undefined
    throw error
  }
}
