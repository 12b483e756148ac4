// In a browser this module stands in for digest.ts: crypto.subtle takes no pieces, answers later, and is missing on plain HTTP.
// FIPS 180-4, SHA-256.

const blockBytes = 64
const scale = 2 ** 32
const primes = firstPrimes(64)
const firstHash = primes.slice(0, 8).map((prime) => fractionBits(Math.sqrt(prime)))
const roundKeys = Int32Array.from(primes, (prime) => fractionBits(Math.cbrt(prime)))

/** SHA-256 of the pieces one after another, in hexadecimal. */
export function sha256(pieces: Iterable<Uint8Array>): string {
  const hash = Int32Array.from(firstHash)
  const schedule = new Int32Array(64)
  for (const block of blocksOf(pieces)) mix(hash, schedule, block)
  return Array.from(hash, (word) => (word >>> 0).toString(16).padStart(8, '0')).join('')
}

/** Blocks of 64 bytes; the last ones hold a single 1 bit after the message, zeros, and the message's length in bits. One array serves all. */
function* blocksOf(pieces: Iterable<Uint8Array>): Generator<DataView> {
  const block = new Uint8Array(blockBytes)
  const view = new DataView(block.buffer)
  let total = 0
  for (const piece of pieces) {
    for (let read = 0; read < piece.length; ) {
      const used = total % blockBytes
      const part = piece.subarray(read, read + blockBytes - used)
      block.set(part, used)
      read += part.length
      total += part.length
      if (total % blockBytes === 0) yield view
    }
  }
  const used = total % blockBytes
  block.fill(0, used)
  block[used] = 0x80
  if (used + 9 > blockBytes) {
    yield view
    block.fill(0)
  }
  view.setBigUint64(blockBytes - 8, 8n * BigInt(total))
  yield view
}

function mix(hash: Int32Array, schedule: Int32Array, block: DataView): void {
  const w = extend(schedule, block)
  let [a, b, c, d, e, f, g, h] = hash as unknown as Eight
  for (let t = 0; t < 64; t++) {
    const choice = (e & f) ^ (~e & g)
    const first = (h + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) + choice + roundKeys[t]! + w[t]!) | 0
    const majority = (a & b) ^ (a & c) ^ (b & c)
    const second = ((rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) + majority) | 0
    ;[h, g, f, e, d, c, b, a] = [g, f, e, (d + first) | 0, c, b, a, (first + second) | 0]
  }
  for (const [i, word] of [a, b, c, d, e, f, g, h].entries()) hash[i]! += word
}

type Eight = [number, number, number, number, number, number, number, number]

function extend(w: Int32Array, block: DataView): Int32Array {
  for (let t = 0; t < 16; t++) w[t] = block.getInt32(4 * t)
  for (let t = 16; t < 64; t++) {
    const [near, far] = [w[t - 2]!, w[t - 15]!]
    const low = rotate(far, 7) ^ rotate(far, 18) ^ (far >>> 3)
    const high = rotate(near, 17) ^ rotate(near, 19) ^ (near >>> 10)
    w[t] = w[t - 16]! + low + w[t - 7]! + high
  }
  return w
}

function rotate(word: number, bits: number): number {
  return (word >>> bits) | (word << (32 - bits))
}

/** The first 32 bits behind the point. */
function fractionBits(root: number): number {
  return Math.floor((root % 1) * scale) | 0
}

function firstPrimes(count: number): number[] {
  const found: number[] = []
  for (let candidate = 2; found.length < count; candidate++) {
    if (found.every((prime) => candidate % prime !== 0)) found.push(candidate)
  }
  return found
}
