import { sameShape } from './dimension.ts'
import { ancestorsOf } from './graph.ts'
import type { OpName } from './ops/index.ts'
import type { Tensor } from './tensor.ts'

/** Ops whose kernels may write over an operand: those that the runtime itself lets share a buffer with their result. */
const overwriting: ReadonlySet<string> = new Set<OpName>(['add', 'subtract', 'multiply', 'divide', 'negate'])

/** No kernel that the runtime fuses and that ends in an elementwise op is made of this many nodes (layer normalisation has 9). */
const largestFusion = 16

/**
 * May the value assigned to a variable be written over the variable's own buffer? Yes when nothing can read the old value after the
 * writing node started: every reader is the writing node itself, which must be elementwise, or one of its ancestors. Readers through
 * re-arrangements count too, as the runtime may fuse those into their users and read the buffer late. Readers that could become part
 * of one kernel with the writing node count as late: `w + x·w` is one matrix product, which would overwrite what it multiplies.
 */
export function isSafeInPlace(leaf: Tensor, value: Tensor, consumers: Consumers, roots: ReadonlySet<Tensor>): boolean {
  if (value.op.name === 'grownCache') return growsInPlace(leaf, value, consumers, roots)
  const broadcasts = value.inputs.some((input) => input === leaf && !sameShape(input.shape, value.shape))
  if (value === leaf || broadcasts || !overwriting.has(value.op.name)) return false
  const graph = new Graph(value, consumers, roots)
  const aliases = [leaf]
  const seen = new Set<Tensor>()
  for (const alias of aliases) {
    if (roots.has(alias)) return false
    for (const reader of graph.consumers.get(alias) ?? []) {
      if ((reader === value && alias === leaf) || seen.has(reader)) continue
      seen.add(reader)
      if (isPlainTerm(reader, graph)) continue
      if (reader === value || !graph.before.has(reader) || couldFuse(reader, graph)) return false
      if (isMovement(reader)) aliases.push(reader)
    }
  }
  return true
}

/** The attention kernel appends to a cache that is its own input, and nothing else reads that cache. */
function growsInPlace(leaf: Tensor, value: Tensor, consumers: Consumers, roots: ReadonlySet<Tensor>): boolean {
  const [attention, , past] = value.inputs
  const readers = new Set(consumers.get(leaf) ?? [])
  readers.delete(attention!)
  readers.delete(value)
  return past === leaf && !roots.has(leaf) && readers.size === 0
}

type Consumers = ReadonlyMap<Tensor, readonly Tensor[]>

class Graph {
  readonly value: Tensor
  readonly consumers: Consumers
  readonly roots: ReadonlySet<Tensor>
  #before: ReadonlySet<Tensor> | undefined

  constructor(value: Tensor, consumers: Consumers, roots: ReadonlySet<Tensor>) {
    this.value = value
    this.consumers = consumers
    this.roots = roots
  }

  /** What the writing node depends on. Moments never ask for it. */
  get before(): ReadonlySet<Tensor> {
    this.#before ??= ancestorsOf(this.value)
    return this.#before
  }
}

/** Re-arrangements and conversions, and products with a scalar, which the runtime turns into a factor of a matrix product. */
function isMovement(reader: Tensor): boolean {
  if (reader.op.movement === true || reader.op.name === 'cast') return true
  const scales = reader.op.name === 'multiply' || reader.op.name === 'divide'
  return scales && reader.inputs.some((input) => input.rank === 0)
}

/** `w·a` in `w·a ± b`: two plain kernels, which no fusion knows. */
function isPlainTerm(reader: Tensor, { value, consumers }: Graph): boolean {
  const sums = reader !== value && (value.op.name === 'add' || value.op.name === 'subtract')
  const users = consumers.get(reader)!
  return sums && overwriting.has(reader.op.name) && users.length > 0 && users.every((user) => user === value)
}

/**
 * Could the runtime make the reader and the writing node one kernel? Such a kernel is small and none of its inner values leaves it, so
 * everything that follows from the reader would have to lie in it.
 */
function couldFuse(reader: Tensor, { value, consumers, before, roots }: Graph): boolean {
  const inner = new Set<Tensor>([reader])
  for (const node of inner) {
    if (node === value) continue
    if (!before.has(node) || roots.has(node) || inner.size > largestFusion) return false
    for (const user of consumers.get(node) ?? []) inner.add(user)
  }
  return true
}
