/**
 * Distributes pieces over rows of `capacity`, longest piece first, each into the row with the least room that still takes it. Pieces are
 * between 1 and `capacity` long; equal ones keep their order.
 * @returns the indices of each row's pieces.
 */
export function binPack(sizes: Int32Array, capacity: number): number[][] {
  const rows: number[][] = []
  // rowsWithRoom[r]: rows that take r more.
  const rowsWithRoom: number[][] = Array.from({ length: capacity + 1 }, () => [])
  for (const piece of longestFirst(sizes)) {
    const size = sizes[piece]!
    let room = size
    while (room <= capacity && rowsWithRoom[room]!.length === 0) room++
    const row = room <= capacity ? rowsWithRoom[room]!.pop()! : rows.push([]) - 1
    rows[row]!.push(piece)
    rowsWithRoom[Math.min(room, capacity) - size]!.push(row)
  }
  return rows
}

function longestFirst(sizes: Int32Array): Int32Array {
  return Int32Array.from(sizes.keys()).sort((a, b) => sizes[b]! - sizes[a]! || a - b)
}
