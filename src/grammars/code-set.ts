/** Code points as inclusive ranges, by rising start, neither touching nor overlapping, without surrogates. */
export type CodeSet = readonly (readonly [from: number, to: number])[]

export const lastCodePoint = 0x10ffff
const surrogates: readonly [number, number] = [0xd800, 0xdfff]

/** The set of all these ranges, in any order; surrogates are left out. */
export function codeSet(ranges: Iterable<readonly [from: number, to: number]>): CodeSet {
  const sorted = [...ranges].flatMap(withoutSurrogates).sort((a, b) => a[0] - b[0])
  const merged: [number, number][] = []
  for (const [from, to] of sorted) {
    const last = merged.at(-1)
    if (last !== undefined && from <= last[1] + 1) last[1] = Math.max(last[1], to)
    else merged.push([from, to])
  }
  return merged
}

function withoutSurrogates([from, to]: readonly [number, number]): [number, number][] {
  const parts: [number, number][] = [
    [from, Math.min(to, surrogates[0] - 1)],
    [Math.max(from, surrogates[1] + 1), to],
  ]
  return parts.filter(([first, last]) => first <= last)
}

export const allCodes = codeSet([[0, lastCodePoint]])

export function single(code: number): CodeSet {
  return codeSet([[code, code]])
}

export function union(...sets: readonly CodeSet[]): CodeSet {
  return codeSet(sets.flat())
}

export function complement(set: CodeSet): CodeSet {
  const gaps: [number, number][] = []
  let next = 0
  for (const [from, to] of set) {
    if (next < from) gaps.push([next, from - 1])
    next = to + 1
  }
  if (next <= lastCodePoint) gaps.push([next, lastCodePoint])
  return codeSet(gaps)
}

export function intersection(a: CodeSet, b: CodeSet): CodeSet {
  return complement(union(complement(a), complement(b)))
}

export function minus(a: CodeSet, b: CodeSet): CodeSet {
  return intersection(a, complement(b))
}

export function contains(set: CodeSet, code: number): boolean {
  return set.some(([from, to]) => from <= code && code <= to)
}
