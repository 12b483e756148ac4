/** Length of the common front of two sequences. */
export function commonLength(left: ArrayLike<number>, right: ArrayLike<number>): number {
  const end = Math.min(left.length, right.length)
  for (let i = 0; i < end; i++) if (left[i] !== right[i]) return i
  return end
}
