/** Indices of lengths in bins of at most `capacity`, longest first, each into the first bin with room. */
export function binPack(lengths: readonly number[], capacity: number): number[][] {
  const bins: { room: number; readonly members: number[] }[] = []
  const order = lengths.map((_, index) => index).sort((a, b) => lengths[b]! - lengths[a]!)
  for (const index of order) {
    const length = lengths[index]!
    const bin = bins.find(({ room }) => room >= length)
    if (bin === undefined) bins.push({ room: capacity - length, members: [index] })
    else {
      bin.room -= length
      bin.members.push(index)
    }
  }
  return bins.map(({ members }) => members)
}
