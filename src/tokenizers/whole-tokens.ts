/**
 * A function that cuts the names of `ids` out of a text: of the names that begin at a place, the leftmost one, the longest. Takes one
 * look-up per place and length that a name with this first letter has.
 */
export function tokenCutter(ids: ReadonlyMap<string, number>): (text: string) => (string | number)[] {
  if (ids.size === 0) return (text) => (text === '' ? [] : [text])
  const lengths = lengthsByFirst(ids.keys())
  return (text) => {
    const parts: (string | number)[] = []
    let start = 0
    for (let place = 0; place < text.length; ) {
      const length = lengths.get(text.charCodeAt(place))?.find((candidate) => ids.has(text.slice(place, place + candidate)))
      if (length === undefined) {
        place++
        continue
      }
      if (place > start) parts.push(text.slice(start, place))
      parts.push(ids.get(text.slice(place, place + length))!)
      place += length
      start = place
    }
    if (start < text.length) parts.push(text.slice(start))
    return parts
  }
}

/** Lengths of the names by their first UTF-16 unit, the longest first. */
function lengthsByFirst(names: Iterable<string>): ReadonlyMap<number, readonly number[]> {
  const sets = new Map<number, Set<number>>()
  for (const name of names) {
    const first = name.charCodeAt(0)
    sets.set(first, (sets.get(first) ?? new Set()).add(name.length))
  }
  return new Map([...sets].map(([first, set]) => [first, [...set].sort((left, right) => right - left)]))
}
