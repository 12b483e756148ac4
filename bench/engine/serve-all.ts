import { setTimeout } from 'node:timers/promises'
import type { ServedRequest, ServedTimes } from './arm.ts'
import { fixedIds } from './ids.ts'

type Start = (row: number, prompt: Int32Array, tokens: number) => AsyncIterable<number>

/** Starts every request at its time, or when one of `rows` is free, in the order in which they came; notes when each token comes. */
export async function serveAll(requests: readonly ServedRequest[], rows: number, start: Start): Promise<ServedTimes> {
  const free = Array.from({ length: rows }, (_, row) => row).reverse()
  const waiting: ((row: number) => void)[] = []
  const take = () => new Promise<number>((resolve) => (free.length > 0 ? resolve(free.pop()!) : waiting.push(resolve)))
  const give = (row: number) => {
    const next = waiting.shift()
    if (next === undefined) free.push(row)
    else next(row)
  }
  const began = performance.now()
  const served = requests.map(async ({ at, prompt, tokens }, index) => {
    await setTimeout(at)
    const row = await take()
    const times: number[] = []
    const ids: number[] = []
    for await (const id of start(row, fixedIds(index, prompt), tokens)) {
      times.push(performance.now() - began)
      ids.push(id)
    }
    give(row)
    return { times, ids }
  })
  const all = await Promise.all(served)
  const total = performance.now() - began
  return { tokens: all.map(({ times }) => times), ids: all.map(({ ids }) => ids), total }
}
