import { BusyError } from '../base/errors.ts'
import { SerialQueue } from '../base/serial.ts'

/** Lets one piece of work after another run, and refuses more than may wait. */
export class Turns {
  readonly #queue = new SerialQueue()
  readonly #most: number
  #waiting = 0

  constructor(most: number) {
    this.#most = most
  }

  get waiting(): number {
    return this.#waiting
  }

  /** Rejects with BusyError when too many wait, and with the signal's reason when it aborts before the work began. */
  async run<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T> {
    signal.throwIfAborted()
    if (this.#waiting > this.#most) throw new BusyError(`${this.#waiting} requests wait already`, { fix: 'try again later' })
    this.#waiting++
    try {
      return await this.#queue.run(async () => {
        signal.throwIfAborted()
        return work()
      })
    } finally {
      this.#waiting--
    }
  }
}
