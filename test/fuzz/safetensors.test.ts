import { posix, win32 } from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { memorySource } from '../../src/base/byte-source.ts'
import { FormatError } from '../../src/base/errors.ts'
import {
  type OpenedSafetensors,
  openSafetensors,
  readSafetensors,
  readSafetensorsIndex,
  readStoredTensor,
  type Safetensors,
  type SafetensorsIndex,
  writeSafetensors,
} from '../../src/formats/index.ts'
import { anyTensor, bits } from '../null/formats/tensors.ts'
import { budget, patience } from './budget.ts'

/** JSON texts that readers have fallen over. */
const hostileTexts = [
  '-1',
  '-0',
  '0.5',
  '1e999',
  '4294967296',
  '9007199254740991',
  '9007199254740993',
  '18446744073709551615',
  '"1"',
  '"F8_E5M2"',
  'null',
  'true',
  '{}',
  '[]',
  '[[]]',
  '{"__proto__":1}',
  '[0,0,0]',
  '1,1',
  '',
]

const validFile = fc
  .uniqueArray(fc.tuple(fc.string({ maxLength: 3 }), anyTensor), { selector: ([name]) => name, minLength: 1, maxLength: 4 })
  .map((tensors) => ({ tensors, bytes: writeSafetensors(tensors, new Map([['k', 'v']])) }))

type Mutation = (bytes: Uint8Array) => Uint8Array

/** Rewrites the header's text and claims its new length. */
function inHeader(rewrite: (header: string) => string): Mutation {
  return (bytes) => {
    const claimed = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true)
    const end = Math.min(8 + Number(claimed), bytes.length)
    const header = new TextEncoder().encode(rewrite(new TextDecoder().decode(bytes.subarray(8, end))))
    const mutated = new Uint8Array(8 + header.length + bytes.length - end)
    new DataView(mutated.buffer).setBigUint64(0, BigInt(header.length), true)
    mutated.set(header, 8)
    mutated.set(bytes.subarray(end), 8 + header.length)
    return mutated
  }
}

/** Replaces the nth match of `pattern`, counted around. */
function replaceOne(text: string, pattern: RegExp, nth: number, replacement: (match: string) => string): string {
  const matches = [...text.matchAll(pattern)]
  const match = matches[nth % Math.max(matches.length, 1)]
  if (match === undefined) return text
  return text.slice(0, match.index) + replacement(match[0]) + text.slice(match.index + match[0].length)
}

const nth = fc.nat({ max: 30 })
const number = /-?\d+/g
const valueText = /\d+|"[^"]*"|\[[^\]]*\]/g

const mutation: fc.Arbitrary<Mutation> = fc.oneof(
  fc
    .tuple(nth, fc.constantFrom(...hostileTexts))
    .map(([n, text]) => inHeader((header) => replaceOne(header, valueText, n, () => text))),
  fc
    .tuple(nth, fc.integer({ min: -9, max: 9 }))
    .map(([n, by]) => inHeader((header) => replaceOne(header, number, n, (one) => `${Number(one) + by}`))),
  nth.map((n) => inHeader((header) => replaceOne(header, /"[^"]*":[^,}\]]*/g, n, (member) => `${member},${member}`))),
  fc
    .tuple(nth, fc.constantFrom('__proto__', '__metadata__', 'dtype', '\\u0000'))
    .map(([n, name]) => inHeader((header) => replaceOne(header, /"[^"]*"/g, n, () => `"${name}"`))),
  fc
    .tuple(nth, fc.string({ maxLength: 2 }))
    .map(([n, text]) => inHeader((header) => replaceOne(header, /[[\]{},:"]/g, n, () => text))),
  fc.tuple(fc.nat(), fc.nat({ max: 255 })).map(
    ([at, byte]): Mutation =>
      (bytes) =>
        bytes.map((old, index) => (index === at % bytes.length ? byte : old)),
  ),
  fc.nat().map(
    (length): Mutation =>
      (bytes) =>
        bytes.slice(0, length % bytes.length),
  ),
  fc.uint8Array({ minLength: 1, maxLength: 9 }).map(
    (tail): Mutation =>
      (bytes) =>
        Uint8Array.from([...bytes, ...tail]),
  ),
  fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map(
    (length): Mutation =>
      (bytes) => {
        const mutated = bytes.slice()
        new DataView(mutated.buffer).setBigUint64(0, length, true)
        return mutated
      },
  ),
)

/** What every accepted file promises: the tensors are what the bytes hold, no more and no less. */
function checkAccepted({ tensors, metadata }: Safetensors, bytes: Uint8Array): void {
  const header = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true))
  const sizes = [...tensors.values()].map(({ data }) => data.byteLength)
  expect(8 + header + sizes.reduce((total, size) => total + size, 0)).toBe(bytes.length)
  const { tensors: again } = readSafetensors(writeSafetensors(tensors, metadata))
  expect(new Set(again.keys())).toEqual(new Set(tensors.keys()))
}

function readOrRefuse(bytes: Uint8Array): Safetensors | undefined {
  try {
    return readSafetensors(bytes)
  } catch (error) {
    if (error instanceof FormatError) return undefined
    throw error
  }
}

test(
  'a mutated file is read as what it says, or refused',
  () => {
    let accepted = 0
    let refused = 0
    fc.assert(
      fc.property(validFile, fc.array(mutation, { minLength: 1, maxLength: 3 }), ({ bytes }, mutations) => {
        const mutated = mutations.reduce((file, mutate) => (file.length >= 8 ? mutate(file) : file), bytes)
        const read = readOrRefuse(mutated)
        if (read === undefined) refused++
        else {
          accepted++
          checkAccepted(read, mutated)
        }
      }),
      budget(3000, 1),
    )
    // The mutations are neither all harmless nor all fatal.
    expect(accepted).toBeGreaterThan(30)
    expect(refused).toBeGreaterThan(1000)
  },
  patience,
)

async function openOrRefuse(bytes: Uint8Array): Promise<OpenedSafetensors | undefined> {
  try {
    return await openSafetensors(memorySource(bytes, 'file'))
  } catch (error) {
    if (error instanceof FormatError) return undefined
    throw error
  }
}

test(
  'a mutated file that is read piece by piece is what it is when read whole',
  async () => {
    await fc.assert(
      fc.asyncProperty(validFile, fc.array(mutation, { minLength: 1, maxLength: 3 }), async ({ bytes }, mutations) => {
        const mutated = mutations.reduce((file, mutate) => (file.length >= 8 ? mutate(file) : file), bytes)
        const whole = readOrRefuse(mutated)
        const opened = await openOrRefuse(mutated)
        if (whole === undefined) {
          // Values of bools are only looked at when they are read.
          const bools = [...(opened?.tensors.values() ?? [])].filter(({ type }) => type === 'bool')
          const read = await Promise.allSettled(bools.map(readStoredTensor))
          if (opened !== undefined) expect(read.find(({ status }) => status === 'rejected')).toBeDefined()
          return
        }
        expect(opened?.metadata).toEqual(whole.metadata)
        expect([...opened!.tensors.keys()]).toEqual([...whole.tensors.keys()])
        for (const [name, stored] of opened!.tensors) {
          expect(bits(await readStoredTensor(stored))).toEqual(bits(whole.tensors.get(name)!))
        }
      }),
      budget(1000, 3),
    )
  },
  patience,
)

function readIndexOrRefuse(text: string): SafetensorsIndex | undefined {
  try {
    return readSafetensorsIndex(new TextEncoder().encode(text))
  } catch (error) {
    if (error instanceof FormatError) return undefined
    throw error
  }
}

test(
  'an index of hostile texts leads to files of its own folder, or is refused',
  () => {
    const fragment = fc.oneof(
      fc.constantFrom(
        '..',
        '.',
        '/',
        '\\',
        ':',
        ' ',
        '\0',
        'con',
        'NUL',
        'C:',
        '//host/',
        'file://',
        '%2e%2e',
        '~',
        'a',
        '.safetensors',
      ),
      fc.string({ unit: 'binary', maxLength: 3 }),
    )
    const name = fc.array(fragment, { maxLength: 5 }).map((parts) => parts.join(''))
    const index = fc
      .dictionary(fc.string({ maxLength: 3 }), name, { maxKeys: 3 })
      .map((weights) => JSON.stringify({ metadata: {}, weight_map: weights }))
    const mutated = fc
      .tuple(index, fc.nat({ max: 30 }), fc.constantFrom(...hostileTexts), fc.boolean())
      .map(([text, n, hostile, change]) => (change ? replaceOne(text, valueText, n, () => hostile) : text))
    let accepted = 0
    fc.assert(
      fc.property(mutated, (text) => {
        const read = readIndexOrRefuse(text)
        if (read === undefined) return
        accepted++
        for (const file of read.keys()) {
          expect(posix.dirname(posix.join('/models/one', file))).toBe('/models/one')
          expect(win32.dirname(win32.resolve('D:\\models\\one', file))).toBe('D:\\models\\one')
          expect(file).not.toContain('\0')
        }
      }),
      budget(3000, 4),
    )
    expect(accepted).toBeGreaterThan(100)
  },
  patience,
)

test('arbitrary bytes are refused', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
      expect(readOrRefuse(bytes)).toBeUndefined()
    }),
    budget(1000, 2),
  )
})
