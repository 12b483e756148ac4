import { OptionError } from '../../base/errors.ts'
import { sha256 } from '../../platform/digest.ts'
import { randomSecret, sameBytes } from '../../platform/secrets.ts'

/** Names of keys, with their hashes: `sha256:` and 64 hexadecimal digits. */
export type KeyHashes = Readonly<Record<string, string>>

const hashPattern = /^sha256:[0-9a-f]{64}$/
const namePattern = /^[\w.@-]{1,64}$/
const bearerPattern = /^Bearer +([\x21-\x7e]{1,512})$/i
const encoder = new TextEncoder()

/** What is stored of a key. A key of `newKey` is random, so that a plain hash cannot be turned back by trying. */
export function hashKey(key: string): string {
  return `sha256:${sha256([encoder.encode(key)])}`
}

/** A fresh key of 256 random bits, shown once, and the hash to store. */
export function newKey(): { readonly key: string; readonly hash: string } {
  const key = `nx-${randomSecret(32)}`
  return { key, hash: hashKey(key) }
}

/** Throws OptionError unless all names and hashes are well formed and no two names share a key. */
export function checkKeys(keys: KeyHashes): void {
  for (const [name, hash] of Object.entries(keys)) {
    if (!namePattern.test(name)) {
      throw new OptionError(`keys: '${name}' is no name of a key`, { expected: 'up to 64 letters, digits and any of _.@-' })
    }
    if (!hashPattern.test(hash)) {
      const fix = "make one with 'nextx serve --new-key <name>'; keys themselves are not stored"
      throw new OptionError(`keys: '${name}' has no hash`, { expected: 'sha256: and 64 hexadecimal digits', fix })
    }
  }
  const shared = Object.entries(keys).find(([name, hash]) => Object.entries(keys).some(([n, h]) => n !== name && h === hash))
  if (shared !== undefined) throw new OptionError(`keys: '${shared[0]}' has the key of another name`)
}

export class Keyring {
  readonly #hashes: readonly (readonly [name: string, hash: Uint8Array])[]

  constructor(keys: KeyHashes) {
    checkKeys(keys)
    this.#hashes = Object.entries(keys).map(([name, hash]) => [name, encoder.encode(hash)])
  }

  get size(): number {
    return this.#hashes.length
  }

  /** The name of the key that an Authorization header carries. All keys are looked at, whichever fits. */
  nameOf(authorization: string | undefined): string | undefined {
    const [, key] = bearerPattern.exec(authorization ?? '') ?? []
    const given = encoder.encode(hashKey(key ?? ''))
    let found: string | undefined
    for (const [name, hash] of this.#hashes) if (sameBytes(hash, given)) found = name
    return key === undefined ? undefined : found
  }
}
