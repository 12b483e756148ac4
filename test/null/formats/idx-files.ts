/** An idx file of bytes with this shape in its header, whatever the data. */
export function idxFile(shape: readonly number[], data: Uint8Array): Uint8Array {
  const file = new Uint8Array(4 + 4 * shape.length + data.length)
  file.set([0, 0, 8, shape.length])
  const view = new DataView(file.buffer)
  for (const [axis, size] of shape.entries()) view.setUint32(4 + 4 * axis, size)
  file.set(data, 4 + 4 * shape.length)
  return file
}
