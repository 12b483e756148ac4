/**
 * A generator that lets go of what it holds, once: also when it is left before its first step, which a generator function does not hear of.
 */
export function heldEvents<Item>(
  items: AsyncGenerator<Item, void, undefined>,
  release: () => Promise<void>,
): AsyncGenerator<Item, void, undefined> {
  let released: Promise<void> | undefined
  const letGo = () => (released ??= release())
  return {
    async next() {
      try {
        const result = await items.next()
        if (result.done === true) await letGo()
        return result
      } catch (error) {
        await letGo()
        throw error
      }
    },
    async return() {
      try {
        return await items.return()
      } finally {
        await letGo()
      }
    },
    async throw(error) {
      await this.return(undefined)
      throw error
    },
    [Symbol.asyncIterator]() {
      return this
    },
  }
}
