import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import { createRng } from '../../../src/base/rng.ts'
import { sha256 } from '../../../src/platform/web-digest.ts'

test('gives the digests of FIPS 180-4', () => {
  const text = (value: string) => [new TextEncoder().encode(value)]
  expect(sha256([])).toBe('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855')
  expect(sha256(text('abc'))).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad')
  expect(sha256(text('abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq'))).toBe(
    '248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1',
  )
})

test("agrees with Node's at every length around the borders of blocks, however the bytes are cut", () => {
  const rng = createRng(1)
  const bytes = Uint8Array.from({ length: 300 }, (_, i) => rng.integerAt(i, 256))
  for (let length = 0; length <= bytes.length; length++) {
    const message = bytes.subarray(0, length)
    const cut = rng.fold('cut').integerAt(length, length + 1)
    const expected = createHash('sha256').update(message).digest('hex')
    expect(sha256([message])).toBe(expected)
    expect(sha256([message.subarray(0, cut), new Uint8Array(0), message.subarray(cut)])).toBe(expected)
  }
})
