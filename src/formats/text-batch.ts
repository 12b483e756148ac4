/** Bytes that are decoded together at most. */
const batchBytes = 2 ** 16

/**
 * Decodes many short strings together, as each call of TextDecoder costs microseconds. Joined strings are valid UTF-8 just when each
 * is, provided that none begins inside a character.
 */
export class TextBatch {
  readonly #decode: (bytes: Uint8Array) => string
  readonly #bytes = new Uint8Array(batchBytes)
  /** UTF-16 units of each string. */
  readonly #lengths: number[] = []
  readonly #done: string[] = []
  #used = 0

  /** @param decode throws for what is not UTF-8 */
  constructor(decode: (bytes: Uint8Array) => string) {
    this.#decode = decode
  }

  add(bytes: Uint8Array): void {
    if (this.#used + bytes.byteLength > batchBytes) this.#flush()
    if (bytes.byteLength > batchBytes || isContinuation(bytes[0])) {
      this.#flush()
      this.#done.push(this.#decode(bytes))
      return
    }
    this.#bytes.set(bytes, this.#used)
    this.#lengths.push(unitsOf(bytes))
    this.#used += bytes.byteLength
  }

  /** All strings, in the order in which they came. */
  finish(): string[] {
    this.#flush()
    return this.#done
  }

  #flush(): void {
    const text = this.#decode(this.#bytes.subarray(0, this.#used))
    let at = 0
    for (const length of this.#lengths) {
      this.#done.push(text.slice(at, at + length))
      at += length
    }
    this.#lengths.length = 0
    this.#used = 0
  }
}

/** UTF-16 units of valid UTF-8: one for each first byte of a character, two where it has four bytes. */
function unitsOf(bytes: Uint8Array): number {
  let units = 0
  for (let index = 0; index < bytes.length; index++) {
    const byte = bytes[index]!
    units += byte >= 0xf0 ? 2 : isContinuation(byte) ? 0 : 1
  }
  return units
}

function isContinuation(byte: number | undefined): boolean {
  return byte !== undefined && byte >= 0x80 && byte < 0xc0
}
