/**
 * One block of Philox4x32-10: a keyed permutation of 128 counter bits, good enough to pass for random. Words are taken modulo 2^32;
 * the four results are written to `out`.
 * Reference: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
 */
export function philox(counter: ArrayLike<number>, key: ArrayLike<number>, out: Uint32Array): void {
  let word0 = counter[0]! >>> 0
  let word1 = counter[1]! >>> 0
  let word2 = counter[2]! >>> 0
  let word3 = counter[3]! >>> 0
  let key0 = key[0]! | 0
  let key1 = key[1]! | 0
  for (let round = 0; round < 10; round++) {
    const low0 = Math.imul(word0, 0xd2511f53)
    const low1 = Math.imul(word2, 0xcd9e8d57)
    const next0 = highProduct(word2, 0xcd9e, 0x8d57) ^ word1 ^ key0
    const next2 = highProduct(word0, 0xd251, 0x1f53) ^ word3 ^ key1
    word0 = next0 >>> 0
    word1 = low1
    word2 = next2 >>> 0
    word3 = low0
    key0 = (key0 + 0x9e3779b9) | 0
    key1 = (key1 + 0xbb67ae85) | 0
  }
  out[0] = word0
  out[1] = word1
  out[2] = word2
  out[3] = word3
}

/** Upper 32 bits of a · (high·2^16 + low). Both partial products stay below 2^49, so float64 holds them exactly. */
function highProduct(a: number, high: number, low: number): number {
  return Math.floor((a * high + Math.floor((a * low) / 65536)) / 65536)
}
