/** Bytes as base64. */
export function base64(bytes: Uint8Array): string {
  let text = ''
  for (let start = 0; start < bytes.length; start += 0x8000) text += String.fromCharCode(...bytes.subarray(start, start + 0x8000))
  return btoa(text)
}

/** Numbers as base64 of little-endian floats of 32 bits, which is how all machines that run this keep them. */
export function base64Floats(values: Float32Array): string {
  return base64(new Uint8Array(values.buffer, values.byteOffset, values.byteLength))
}
