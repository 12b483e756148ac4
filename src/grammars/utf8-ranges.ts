import type { CodeSet } from './code-set.ts'

/** Bytes that may stand one behind the other: an inclusive range for each place. */
export type ByteRun = readonly (readonly [from: number, to: number])[]

const lengthEnds = [0x7f, 0x7ff, 0xffff, 0x10ffff]

/**
 * The UTF-8 of a set of characters as runs of byte ranges, which no other bytes match: neither overlong forms nor surrogates.
 * Reference: the Unicode Standard, table 3-7.
 */
export function utf8Runs(set: CodeSet): ByteRun[] {
  return set.flatMap(([from, to]) =>
    lengthEnds.flatMap((end, i) => ofOneLength(from, to, i === 0 ? 0 : lengthEnds[i - 1]! + 1, end)),
  )
}

function ofOneLength(from: number, to: number, first: number, last: number): ByteRun[] {
  const [low, high] = [Math.max(from, first), Math.min(to, last)]
  return low > high ? [] : split(bytesOf(low), bytesOf(high))
}

/** Between two encodings of one length. */
function split(low: readonly number[], high: readonly number[]): ByteRun[] {
  const [first, ...lowRest] = low as [number, ...number[]]
  const [last, ...highRest] = high as [number, ...number[]]
  if (lowRest.length === 0) return [[[first, last]]]
  if (first === last) return split(lowRest, highRest).map((run) => [[first, first], ...run])
  const smallest = lowRest.map(() => 0x80)
  const largest = lowRest.map(() => 0xbf)
  const runs: ByteRun[] = []
  let [start, end] = [first, last]
  if (lowRest.some((byte) => byte !== 0x80)) {
    for (const run of split(lowRest, largest)) runs.push([[first, first], ...run])
    start++
  }
  const tail = highRest.some((byte) => byte !== 0xbf)
  if (tail) end--
  if (start <= end) runs.push([[start, end], ...smallest.map((byte, i) => [byte, largest[i]!] as const)])
  if (tail) for (const run of split(smallest, highRest)) runs.push([[last, last], ...run])
  return runs
}

function bytesOf(code: number): number[] {
  if (code <= 0x7f) return [code]
  const bytes: number[] = []
  let rest = code
  const length = lengthEnds.findIndex((end) => code <= end) + 1
  for (let i = 1; i < length; i++) {
    bytes.unshift(0x80 | (rest & 0x3f))
    rest >>= 6
  }
  return [((0xff00 >> length) & 0xff) | rest, ...bytes]
}
