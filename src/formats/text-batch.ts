/**
 * Decodes many short strings together, as each call of TextDecoder costs microseconds. Joined strings are valid UTF-8 just when each
 * is, provided that none begins inside a character.
 */
export class TextBatch {
  readonly #decode: (bytes: Uint8Array) => string
  readonly #bytes: Uint8Array
  /** UTF-16 units of each string. */
  readonly #lengths: number[] = []
  readonly #done: string[] = []
  #used = 0

  /**
   * @param decode throws for what is not UTF-8
   * @param scratch room for the bytes that are decoded together
   */
  constructor(decode: (bytes: Uint8Array) => string, scratch: Uint8Array) {
    this.#decode = decode
    this.#bytes = scratch
  }

  add(bytes: Uint8Array): void {
    if (this.#used + bytes.byteLength > this.#bytes.byteLength) this.#flush()
    if (bytes.byteLength > this.#bytes.byteLength || isContinuation(bytes[0])) {
      this.#flush()
      this.#done.push(this.#decode(bytes))
      return
    }
    this.#lengths.push(this.#append(bytes))
  }

  /** Copies valid UTF-8; its UTF-16 units: one for each first byte of a character, two where the character has four bytes. */
  #append(bytes: Uint8Array): number {
    let units = 0
    for (let index = 0; index < bytes.length; index++) {
      const byte = bytes[index]!
      this.#bytes[this.#used + index] = byte
      units += byte >= 0xf0 ? 2 : isContinuation(byte) ? 0 : 1
    }
    this.#used += bytes.length
    return units
  }

  /** All strings, in the order in which they came. */
  finish(): string[] {
    this.#flush()
    return this.#done
  }

  #flush(): void {
    if (this.#lengths.length === 0) return
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

function isContinuation(byte: number | undefined): boolean {
  return byte !== undefined && byte >= 0x80 && byte < 0xc0
}
