import { FormatError } from '../../base/errors.ts'
import type { Value } from './library.ts'

/** What one rendering of a template may cost; every value that is looked at counts by its size. */
const mostWork = 2 ** 20
/** Largest text that a template may make, in UTF-16 units. */
export const longestText = 2 ** 22
const mostItems = 2 ** 16
/** Items of a list with those of the lists in it, which a template may double with every step; texts count by their length too. */
const mostNested = 2 ** 18
/** Units of a text that are looked at in the time of one step. */
const unitsPerStep = 256
/** Product of a text's length and of what is put between or in place of its parts. */
const mostGrowth = 2 ** 22
const widestIndent = 64

/** Counts the work of one rendering, and refuses what would make it endless. */
export class Budget {
  #left = mostWork
  #longest = 1
  readonly #sizes = new WeakMap<object, number>()

  spend(work: number): void {
    this.#left -= work
    if (this.#left < 0) throw new FormatError('the chat template takes too long', { expected: `at most ${mostWork} steps` })
  }

  /** Charges a value that was just computed; `itemWork`: the steps that each item of a list will take. */
  charge(value: Value, itemWork: number): void {
    const length = lengthOf(value)
    if (length === 0) return
    const isText = value.type === 'StringValue'
    const most = isText ? longestText : mostItems
    if (length > most) {
      throw new FormatError(`the chat template makes a ${isText ? 'text' : 'list'} of ${length}`, { expected: `at most ${most}` })
    }
    this.#longest = Math.max(this.#longest, length)
    if (!isText) this.#nestedSize(value)
    this.spend(length * (isText ? 1 / unitsPerStep : itemWork))
  }

  /** Refuses arguments of filters and methods that multiply the size of what they are applied to. */
  checkGrowth(value: Value): void {
    if (value.type === 'IntegerValue' && Math.abs(value.value as number) <= widestIndent) return
    if (value.type === 'IntegerValue' || lengthOf(value) * this.#longest > mostGrowth) {
      throw new FormatError('the chat template makes a text too large', { expected: `at most ${longestText} characters` })
    }
    if (value.type === 'ArrayValue' || value.type === 'TupleValue') {
      for (const item of value.value as readonly Value[]) this.checkGrowth(item)
    }
  }

  /** The size of a list with everything in it; lists are not changed once made. */
  #nestedSize(value: Value): number {
    const known = this.#sizes.get(value)
    if (known !== undefined) return known
    const items = value.value instanceof Map ? [...value.value.values()] : (value.value as readonly Value[])
    let size = 1
    this.spend(items.length / 8)
    for (const item of items as readonly Value[]) {
      size += isNested(item) ? this.#nestedSize(item) : 1 + lengthOf(item) / unitsPerStep
    }
    if (size > mostNested) throw new FormatError('the chat template makes a list too large', { expected: `at most ${mostNested}` })
    if (value.type !== 'NamespaceValue') this.#sizes.set(value, size)
    return size
  }
}

function isNested(item: Value): boolean {
  return item.type !== 'StringValue' && lengthOf(item) > 0
}

/** Units of a text, items of a list or an object; 0 for everything else. */
function lengthOf({ value }: Value): number {
  if (typeof value === 'string' || Array.isArray(value)) return value.length
  return value instanceof Map ? value.size : 0
}

/** Python's range, of at most as many numbers as a list may have. */
export function boundedRange(first: number, last?: number, step = 1): number[] {
  const [start, stop] = last === undefined ? [0, first] : [first, last]
  if (![start, stop, step].every(Number.isSafeInteger) || step === 0) {
    throw new FormatError(`the chat template asks for range(${start}, ${stop}, ${step})`, {
      expected: 'integers, and a step other than 0',
    })
  }
  const count = Math.max(0, Math.ceil((stop - start) / step))
  if (count > mostItems) throw new FormatError(`the chat template asks for ${count} numbers`, { expected: `at most ${mostItems}` })
  return Array.from({ length: count }, (_, index) => start + index * step)
}
