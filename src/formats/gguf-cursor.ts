import type { ByteSource } from '../base/byte-source.ts'
import { FormatError } from '../base/errors.ts'
import { readPiece } from './read-piece.ts'

/** Bytes of the first window; the next are twice as long each, up to the last number. */
const firstWindow = 2 ** 16
const longestWindow = 2 ** 22

export interface CursorLimits {
  readonly maxHeaderBytes: number
  readonly maxValues: number
}

/**
 * Reads the header of a GGUF file from its start, in windows. Whoever takes a value first asks for its bytes with `need`; nothing is
 * allocated for bytes that the file does not have.
 */
export class GgufCursor {
  readonly #source: ByteSource
  readonly #limits: CursorLimits
  readonly #decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
  /** Room for what is decoded together; one for all arrays, however many there are. */
  readonly scratch = new Uint8Array(2 ** 16)
  #values: number
  #window: Uint8Array = new Uint8Array(0)
  #view: DataView = new DataView(new ArrayBuffer(0))
  /** Where the window lies in the source, and where the cursor is in the window. */
  #start = 0
  #at = 0
  #windowBytes = firstWindow

  constructor(source: ByteSource, limits: CursorLimits) {
    this.#source = source
    this.#limits = limits
    this.#values = limits.maxValues
  }

  /** Bytes before the cursor. */
  get offset(): number {
    return this.#start + this.#at
  }

  /** Bytes that the header may still have. */
  get remaining(): number {
    return Math.min(this.#source.byteLength, this.#limits.maxHeaderBytes) - this.offset
  }

  /** Whether the next `length` bytes are in memory already. */
  has(length: number): boolean {
    return length <= this.#window.byteLength - this.#at
  }

  /** Brings the next `length` bytes into memory. Throws FormatError when the header cannot have them. */
  async need(length: number, what: string): Promise<void> {
    if (this.has(length)) return
    if (length > this.remaining) throw this.#tooFew(length, what)
    const start = this.offset
    const bytes = Math.min(Math.max(length, this.#windowBytes), this.remaining)
    this.#window = await readPiece(this.#source, start, bytes)
    this.#view = new DataView(this.#window.buffer, this.#window.byteOffset, bytes)
    this.#start = start
    this.#at = 0
    this.#windowBytes = Math.min(this.#windowBytes * 2, longestWindow)
  }

  /** The next bytes, which `need` brought; the view is good until the next `need`. */
  bytes(length: number): Uint8Array {
    this.#at += length
    return this.#window.subarray(this.#at - length, this.#at)
  }

  uint32(): number {
    this.#at += 4
    return this.#view.getUint32(this.#at - 4, true)
  }

  uint64(): bigint {
    this.#at += 8
    return this.#view.getBigUint64(this.#at - 8, true)
  }

  /** A 64-bit count of things that follow and have at least `bytesEach`. Throws FormatError when the header cannot hold them. */
  count(bytesEach: number, what: string): number {
    const low = this.uint32()
    const high = this.uint32()
    const most = Math.floor(this.remaining / bytesEach)
    // Rounded from 2^53 on, where it is too many in any case; a bigint for each string of a vocabulary takes its time.
    const claimed = high * 2 ** 32 + low
    if (claimed <= most) return claimed
    throw new FormatError(`GGUF: ${what} claims ${BigInt(high) * 2n ** 32n + BigInt(low)}`, {
      expected: `at most ${most}, as ${this.remaining} bytes may follow`,
      fix: 'the file may be truncated or damaged',
    })
  }

  /** The next bytes, which `need` brought, as UTF-8. */
  text(length: number, what: string): string {
    return this.decode(this.bytes(length), what)
  }

  decode(bytes: Uint8Array, what: string): string {
    try {
      return this.#decoder.decode(bytes)
    } catch (cause) {
      throw new FormatError(`GGUF: ${what} is not UTF-8`, { cause })
    }
  }

  /** Takes values off the budget: in memory, one may be much larger than its bytes. */
  spend(values: number, what: string): void {
    this.#values -= values
    if (this.#values < 0) throw new FormatError(`GGUF: ${what} exceeds the limit maxValues of ${this.#limits.maxValues}`)
  }

  #tooFew(length: number, what: string): FormatError {
    const { maxHeaderBytes } = this.#limits
    if (this.offset + length <= this.#source.byteLength) {
      return new FormatError(`GGUF: the header goes beyond the limit maxHeaderBytes of ${maxHeaderBytes} in ${what}`)
    }
    return new FormatError(`GGUF: the file ends in ${what}, after ${this.#source.byteLength} bytes`, {
      fix: 'the file may be truncated',
    })
  }
}
