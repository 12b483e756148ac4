import { type HostTensor, isFloat } from '../base/dtype.ts'
import { SymbolicDimension, sameShape } from './dimension.ts'
import { topologicalOrder } from './graph.ts'
import { scalar } from './ops/elementwise.ts'
import type { OpName } from './ops/index.ts'
import { Tensor } from './tensor.ts'

/** A better node of the same value and type, or undefined. */
type Simplification = (node: Tensor) => Tensor | undefined

const first: Simplification = (node) => node.inputs[0]

const simplifications: { readonly [Name in OpName]?: Simplification } = {
  stopGradient: first,
  customGradient: first,
  add: (node) => neutral(node, 0, 'either'),
  subtract: (node) => neutral(node, 0, 'right'),
  multiply: (node) => neutral(node, 1, 'either'),
  divide: (node) => neutral(node, 1, 'right'),
  cast: (node) => (node.inputs[0]!.dtype === node.dtype ? node.inputs[0] : undefined),
  power: (node) =>
    scalarValue(node.inputs[1]!) === 1 && sameShape(node.inputs[0]!.shape, node.shape) ? node.inputs[0] : undefined,
  where: chosen,
  expand: (node) => (sameShape(node.shape, node.inputs[0]!.shape) ? node.inputs[0] : undefined),
  reshape: simplifyReshape,
  transpose: simplifyTranspose,
  matmul: absorbTransposes,
}

/** x + 0, x · 1 and the like: the other operand, when it already has the result's shape. */
function neutral(node: Tensor, value: number, side: 'either' | 'right'): Tensor | undefined {
  const [a, b] = node.inputs
  if (scalarValue(b!) === value && sameShape(a!.shape, node.shape)) return a
  return side === 'either' && scalarValue(a!) === value && sameShape(b!.shape, node.shape) ? b : undefined
}

/** A choice that is known while tracing. */
function chosen(node: Tensor): Tensor | undefined {
  const [condition, yes, no] = node.inputs
  const known = scalarValue(condition!)
  if (known === undefined) return undefined
  const taken = known === 0 ? no! : yes!
  return sameShape(taken.shape, node.shape) ? taken : undefined
}

function scalarValue(node: Tensor): number | undefined {
  return node.op.name === 'scalar' ? (node.attributes.value as number) : undefined
}

function simplifyReshape(node: Tensor): Tensor | undefined {
  const input = node.inputs[0]!
  if (sameShape(node.shape, input.shape)) return input
  if (input.op.name !== 'reshape') return undefined
  const source = input.inputs[0]!
  return sameShape(node.shape, source.shape) ? source : rebuild(node, [source], node.attributes)
}

function simplifyTranspose(node: Tensor): Tensor | undefined {
  const input = node.inputs[0]!
  const permutation = node.attributes.permutation as readonly number[]
  if (permutation.every((axis, i) => axis === i)) return input
  if (input.op.name !== 'transpose') return undefined
  const inner = input.attributes.permutation as readonly number[]
  const joined = rebuild(node, input.inputs, { permutation: permutation.map((axis) => inner[axis]!) })
  return simplifyTranspose(joined) ?? joined
}

/** A transposed matrix operand becomes a flag of the product. */
function absorbTransposes(node: Tensor): Tensor | undefined {
  const swapped = node.inputs.map(
    (input) => input.op.name === 'transpose' && swapsLastTwo(input.attributes.permutation as readonly number[]),
  )
  if (!swapped.some(Boolean)) return undefined
  const { transposeA, transposeB, scale } = node.attributes as { transposeA: boolean; transposeB: boolean; scale: number }
  const inputs = node.inputs.map((input, i) => (swapped[i] ? input.inputs[0]! : input))
  return rebuild(node, inputs, { transposeA: transposeA !== swapped[0], transposeB: transposeB !== swapped[1], scale })
}

function swapsLastTwo(permutation: readonly number[]): boolean {
  const rank = permutation.length
  return permutation.every((axis, i) => axis === (i < rank - 2 ? i : i === rank - 1 ? rank - 2 : rank - 1))
}

function rebuild(node: Tensor, inputs: readonly Tensor[], attributes: Tensor['attributes']): Tensor {
  return new Tensor(node.op, inputs, attributes, node, node.site)
}

/** Elementwise ops of scalars alone are computed here; anything bigger is left to the runtime. */
function foldScalars(node: Tensor): Tensor | undefined {
  const exact = isFloat(node.dtype) || node.dtype === 'bool'
  if (node.op.elementwise !== true || node.inputs.length === 0 || !exact) return undefined
  const values = node.inputs.map(scalarValue)
  if (node.rank !== 0 || values.some((value) => value === undefined)) return undefined
  const inputs = values.map((value) => ({ shape: [], data: Float64Array.of(value!) }))
  const context = { dtype: node.dtype, shape: [], inputTypes: node.inputs, size: () => 1 }
  return scalar(node.op.reference(inputs, node.attributes, context)[0]!, node.dtype)
}

/** Equal nodes become one node. */
class Interner {
  readonly #nodes = new Map<string, Tensor>()
  readonly #identities = new Map<object, number>()

  intern(node: Tensor): Tensor {
    const key = this.#keyOf(node)
    const known = this.#nodes.get(key)
    if (known !== undefined) return known
    this.#nodes.set(key, node)
    return node
  }

  #keyOf(node: Tensor): string {
    const inputs = node.inputs.map((input) => this.#identity(input)).join(',')
    return `${node.op.name}(${inputs})${JSON.stringify(node.attributes, (_key, value: unknown) => this.#encode(value))}`
  }

  // Sizes and short constants by value, arrays and numbers as they are; any other object (a variable, a function) by identity.
  #encode(value: unknown): unknown {
    if (value instanceof SymbolicDimension) return `~${value}`
    if (typeof value === 'number' && !Number.isFinite(value)) return `~${value}`
    if (Object.is(value, -0)) return '~-0'
    if (typeof value === 'function') return `#${this.#identity(value)}`
    if (value === null || typeof value !== 'object' || Array.isArray(value) || isPlain(value)) return value
    if (isShortConstant(value))
      return `=${value.dtype}[${value.shape}]${Array.from(value.data as Iterable<number | bigint>, exactly)}`
    return `#${this.#identity(value)}`
  }

  #identity(object: object): number {
    const known = this.#identities.get(object)
    if (known !== undefined) return known
    this.#identities.set(object, this.#identities.size)
    return this.#identities.size - 1
  }
}

/** Positions and frequencies that every layer makes anew. */
const shortConstant = 1024

function isShortConstant(value: object): value is HostTensor {
  return 'data' in value && ArrayBuffer.isView(value.data) && (value as HostTensor).data.length <= shortConstant
}

function exactly(value: number | bigint): string {
  return Object.is(value, -0) ? '-0' : String(value)
}

function isPlain(value: object): boolean {
  return Object.getPrototypeOf(value) === Object.prototype && !('data' in value)
}

/**
 * Rewrites a graph: simplifies, folds scalars, and makes equal subgraphs one (hash-consing). Returns the new node of every old one.
 */
export function simplify(roots: readonly Tensor[]): Map<Tensor, Tensor> {
  const interner = new Interner()
  const replaced = new Map<Tensor, Tensor>()
  for (const node of topologicalOrder(roots)) replaced.set(node, simplifyNode(node, replaced, interner))
  return replaced
}

function simplifyNode(node: Tensor, replaced: ReadonlyMap<Tensor, Tensor>, interner: Interner): Tensor {
  const inputs = node.inputs.map((input) => replaced.get(input)!)
  const current = inputs.every((input, i) => input === node.inputs[i]) ? node : rebuild(node, inputs, node.attributes)
  const better = foldScalars(current) ?? simplifications[current.op.name as OpName]?.(current)
  return interner.intern(better ?? current)
}
