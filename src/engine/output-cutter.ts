import type { ExtendOptions, Outputs } from '../decode/stepper.ts'
import type { CallOutputs } from './decoder-program.ts'
import { hiddenRequest } from './extension.ts'
import { wantedCount } from './lanes.ts'

/** Cuts the rows of one call into those of its extensions, in their order. */
export class OutputCutter {
  readonly #logits: (count: number) => Float32Array
  readonly #hidden: ((count: number) => Float32Array) | undefined

  /** `counts`: fed slots of each extension. */
  constructor({ logits, hidden }: CallOutputs, options: ExtendOptions, counts: readonly number[]) {
    const slots = hiddenRequest(options)?.slots
    this.#logits = cutter(logits, counts, options.logits)
    if (hidden !== undefined && slots !== undefined) this.#hidden = cutter(hidden, counts, slots)
  }

  /** Those of the next extension, of so many fed slots. */
  next(count: number): Outputs {
    const logits = this.#logits(count)
    return this.#hidden === undefined ? { logits } : { logits, hidden: this.#hidden(count) }
  }
}

/** A whole array that belongs to one extension is given as it is. */
function cutter(data: Float32Array, counts: readonly number[], slots: ExtendOptions['logits']): (count: number) => Float32Array {
  const rows = counts.reduce((total, count) => total + wantedCount(count, slots), 0)
  const width = rows === 0 ? 0 : data.length / rows
  let at = 0
  return (count) => {
    const start = at
    at += wantedCount(count, slots)
    return counts.length === 1 ? data : data.slice(start * width, at * width)
  }
}
