/** A binary heap: `pop` gives an item before which no other comes. */
export class Heap<T> {
  private readonly items: T[] = []
  private readonly before: (left: T, right: T) => boolean

  constructor(before: (left: T, right: T) => boolean) {
    this.before = before
  }

  push(item: T): void {
    const { items, before } = this
    let place = items.length
    while (place > 0) {
      const parent = (place - 1) >> 1
      if (!before(item, items[parent]!)) break
      items[place] = items[parent]!
      place = parent
    }
    items[place] = item
  }

  pop(): T | undefined {
    const { items } = this
    const first = items[0]
    const last = items.pop()
    if (items.length > 0) this.sink(last!)
    return first
  }

  private sink(item: T): void {
    const { items, before } = this
    let place = 0
    for (;;) {
      let child = 2 * place + 1
      if (child >= items.length) break
      if (child + 1 < items.length && before(items[child + 1]!, items[child]!)) child++
      if (!before(items[child]!, item)) break
      items[place] = items[child]!
      place = child
    }
    items[place] = item
  }
}
