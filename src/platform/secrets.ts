import { randomBytes, timingSafeEqual } from 'node:crypto'

/** So many random bytes of the system's generator, in base64url. */
export function randomSecret(bytes: number): string {
  return randomBytes(bytes).toString('base64url')
}

/** Whether two arrays hold the same bytes, in a time that tells nothing of where they differ. */
export function sameBytes(first: Uint8Array, second: Uint8Array): boolean {
  return first.byteLength === second.byteLength && timingSafeEqual(first, second)
}
