/** Numbers that are added one by one, in a buffer that grows by half. */
export class NumberList {
  #buffer = new Float64Array(16)
  #length = 0

  push(value: number): void {
    if (this.#length === this.#buffer.length) {
      const grown = new Float64Array(Math.ceil(1.5 * this.#length))
      grown.set(this.#buffer)
      this.#buffer = grown
    }
    this.#buffer[this.#length++] = value
  }

  /** All of them; a view that later additions may leave behind. */
  get values(): Float64Array {
    return this.#buffer.subarray(0, this.#length)
  }
}
