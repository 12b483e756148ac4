import { FormatError } from '../base/errors.ts'
import type { GgufValue } from '../formats/index.ts'

/** The entries of a GGUF file's metadata that are named `<architecture>.<field>`. */
export class GgufFields {
  readonly architecture: string
  readonly #metadata: ReadonlyMap<string, GgufValue>

  /** Throws FormatError when the file names no architecture. */
  constructor(metadata: ReadonlyMap<string, GgufValue>) {
    const architecture = metadata.get('general.architecture')
    if (typeof architecture !== 'string')
      throw new FormatError('GGUF: general.architecture is missing', { expected: 'the name of an architecture' })
    this.architecture = architecture
    this.#metadata = metadata
  }

  /** A number, if the file has it. Throws FormatError when it is something else. */
  number(field: string): number | undefined {
    const value = this.#get(field)
    if (value === undefined || (typeof value === 'number' && Number.isFinite(value))) return value
    // Some architectures have a list here: one value per layer.
    return this.#refuse(field, value, 'one number')
  }

  /** A size that the file must have. Throws FormatError when it is missing or no size. */
  count(field: string): number {
    const value = this.number(field)
    if (value !== undefined && Number.isInteger(value) && value >= 1) return value
    return this.#refuse(field, value, 'an integer ≥ 1')
  }

  /** A text, if the file has it. Throws FormatError when it is something else. */
  text(field: string): string | undefined {
    const value = this.#get(field)
    return value === undefined || typeof value === 'string' ? value : this.#refuse(field, value, 'text')
  }

  #get(field: string): GgufValue | undefined {
    return this.#metadata.get(`${this.architecture}.${field}`)
  }

  #refuse(field: string, value: GgufValue | undefined, expected: string): never {
    const what = value === undefined ? 'missing' : typeof value === 'object' ? 'a list' : String(value).slice(0, 100)
    throw new FormatError(`GGUF: ${this.architecture}.${field} is ${what}`, { expected })
  }
}
