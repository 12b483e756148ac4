/** Witten–Bell interpolated n-gram over ids: the baseline that costs no training. Bell, Cleary & Witten 1990, method C. */
export class NGram {
  readonly #order: number
  readonly #vocabularySize: number
  /** Per context: counts of the next id, under −1 their total. */
  readonly #counts = new Map<string, Map<number, number>>()

  constructor(order: number, vocabularySize: number) {
    this.#order = order
    this.#vocabularySize = vocabularySize
  }

  fit(ids: ArrayLike<number>): void {
    for (let i = 0; i < ids.length; i++) {
      for (let length = 0; length < this.#order && length <= i; length++) this.#add(contextOf(ids, i, length), ids[i]!)
    }
  }

  /** Mean −log p in nats. */
  score(ids: ArrayLike<number>): number {
    let total = 0
    for (let i = 0; i < ids.length; i++) total -= Math.log(this.#probability(ids, i))
    return total / ids.length
  }

  #add(context: string, id: number): void {
    const counts = this.#counts.get(context) ?? new Map<number, number>()
    counts.set(id, (counts.get(id) ?? 0) + 1)
    counts.set(-1, (counts.get(-1) ?? 0) + 1)
    this.#counts.set(context, counts)
  }

  #probability(ids: ArrayLike<number>, at: number): number {
    let probability = 1 / this.#vocabularySize
    for (let length = 0; length < this.#order && length <= at; length++) {
      const counts = this.#counts.get(contextOf(ids, at, length))
      if (counts === undefined) break
      const [total, kinds] = [counts.get(-1)!, counts.size - 1]
      probability = ((counts.get(ids[at]!) ?? 0) + kinds * probability) / (total + kinds)
    }
    return probability
  }
}

function contextOf(ids: ArrayLike<number>, at: number, length: number): string {
  let context = ''
  for (let i = at - length; i < at; i++) context += String.fromCharCode(ids[i]!)
  return context
}
