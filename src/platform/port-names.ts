import type { OrtCCalls } from './ort-c-calls.ts'
import type { Ports } from './session-ports.ts'

/** The names of a session's inputs or outputs as C strings, for as long as this lives. */
export class PortNames {
  /** Addresses, in the order of the ports. */
  readonly pointers: BigUint64Array
  readonly #indices = new Map<string, number>()
  readonly #text: Uint8Array

  constructor(ports: Ports, calls: OrtCCalls) {
    const names = [...ports.keys()].map((name) => new TextEncoder().encode(`${name}\0`))
    this.pointers = new BigUint64Array(new ArrayBuffer(8 * names.length))
    this.#text = new Uint8Array(new ArrayBuffer(names.reduce((total, { length }) => total + length, 1)))
    const base = calls.api.addressOf(this.#text)
    let offset = 0
    for (const [i, name] of names.entries()) {
      this.#text.set(name, offset)
      this.pointers[i] = base + BigInt(offset)
      offset += name.length
    }
    for (const name of ports.keys()) this.#indices.set(name, this.#indices.size)
  }

  indexOf(name: string): number {
    return this.#indices.get(name) ?? -1
  }
}
