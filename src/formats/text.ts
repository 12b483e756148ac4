const longestQuote = 100

/** A name from a file as it may stand in a message: quoted, escaped, cut after 100 characters. */
export function quoted(name: string): string {
  return JSON.stringify(name.length > longestQuote ? `${name.slice(0, longestQuote)}…` : name)
}

/** Whether `text` has no half of a surrogate pair alone, and so survives UTF-8. */
export function isWellFormed(text: string): boolean {
  // Without the u flag, a surrogate is found fast, whether alone or not.
  return !/[\ud800-\udfff]/.test(text) || !/\p{Surrogate}/u.test(text)
}

/** Order of Unicode code points, which is also the order of the UTF-8 bytes. */
export function compareCodePoints(left: string, right: string): number {
  const leftPoints = left[Symbol.iterator]()
  for (const rightCharacter of right) {
    const leftCharacter = leftPoints.next()
    if (leftCharacter.done) return -1
    const difference = leftCharacter.value.codePointAt(0)! - rightCharacter.codePointAt(0)!
    if (difference !== 0) return difference
  }
  return leftPoints.next().done ? 0 : 1
}
