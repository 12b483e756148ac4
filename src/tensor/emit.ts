import type { DType, HostTensor, TypedArray } from '../base/dtype.ts'
import { GraphError } from '../base/errors.ts'
import {
  type OnnxAttribute,
  type OnnxExternalInitializer,
  type OnnxInitializer,
  type OnnxModel,
  type OnnxNode,
  type OnnxValue,
  onnxTypeCodes,
} from '../formats/onnx.ts'
import { type Dimension, type Shape, type SymbolicDimension, symbol } from './dimension.ts'
import { topologicalOrder } from './graph.ts'
import { fromNumbers } from './host-values.ts'
import { canInfer } from './ops/layout.ts'
import { type Emitter, locate, type OnnxAttributeValue, type Tensor } from './tensor.ts'

/** In memory, or in a file beside the model. */
export type InitialValue = HostTensor | Omit<OnnxExternalInitializer, 'name'>

/** What a program becomes: leaves with names, and named results. */
export interface EmissionPlan {
  /** Leaves fed at run time, by their ONNX name. */
  readonly feeds: ReadonlyMap<string, Tensor>
  /** Leaves whose values are part of the model. */
  readonly initializers: ReadonlyMap<string, { readonly leaf: Tensor; readonly value: InitialValue }>
  readonly results: ReadonlyMap<string, Tensor>
  readonly name: string
}

/** Opset 21 is IR version 10; the runtime's own ops live in com.microsoft. */
const irVersion = 10
const opsets = [
  { domain: '', version: 21 },
  { domain: 'com.microsoft', version: 1 },
]

/** The ONNX model of a program. */
export function emit(plan: EmissionPlan): OnnxModel {
  const emitter = new GraphEmitter(plan)
  for (const node of topologicalOrder([...plan.results.values()])) emitter.visit(node)
  const nodes = emitter.finish(plan.results)
  const inputs = [...plan.feeds].map(([name, leaf]) => describeValue(name, leaf))
  const outputs = [...plan.results].map(([name, tensor]) => describeValue(name, tensor))
  const graph = { name: plan.name, nodes, inputs, outputs, initializers: emitter.initializers }
  return { irVersion, opsetImports: opsets, producerName: 'nextx', producerVersion: '', graph }
}

function describeValue(name: string, { dtype, shape }: Tensor): OnnxValue {
  return { name, dtype, shape: shape.map((dimension) => (typeof dimension === 'number' ? dimension : dimension.toString())) }
}

/** The names of leaves and results; a value of the graph has one name. */
function distinctNames({ feeds, initializers, results }: EmissionPlan): Set<string> {
  const names = new Set<string>()
  for (const name of [...feeds.keys(), ...initializers.keys(), ...results.keys()]) {
    if (name === '' || names.has(name))
      throw new GraphError(`two values of the program are named ${JSON.stringify(name)}`, {
        expected: 'different names that are not empty',
      })
    names.add(name)
  }
  return names
}

class GraphEmitter implements Emitter {
  readonly initializers: OnnxInitializer[] = []
  readonly #nodes: { -readonly [K in keyof OnnxNode]: OnnxNode[K] }[] = []
  readonly #values = new Map<Tensor, string>()
  readonly #constants = new Map<string, string>()
  readonly #sizes = new Map<string, string>()
  readonly #axes = new Map<string, { value: string; axis: number }>()
  readonly #taken: ReadonlySet<string>
  #count = 0

  constructor(plan: EmissionPlan) {
    this.#taken = distinctNames(plan)
    for (const [name, leaf] of plan.feeds) this.#bind(name, leaf)
    for (const [name, { leaf, value }] of plan.initializers) {
      this.#bind(name, leaf)
      this.initializers.push({ name, ...value })
    }
  }

  visit(node: Tensor): void {
    if (this.#values.has(node)) return
    if (node.op.name === 'constant') {
      const { dtype, shape, data } = node.attributes.value as HostTensor
      this.#values.set(node, this.#initializer(dtype, shape, data))
      return
    }
    const inputs = node.inputs.map((input) => this.#values.get(input)!)
    try {
      this.#values.set(node, node.op.emit(this, inputs, node, node.attributes))
    } catch (error) {
      throw locate(error, node.op.name, node.inputs, node.site)
    }
  }

  /** Names the results; a value that is a leaf or has a name already is copied. */
  finish(results: ReadonlyMap<string, Tensor>): OnnxNode[] {
    const producers = new Map(this.#nodes.flatMap((node) => node.outputs.map((output) => [output, node] as const)))
    const renamed = new Map<string, string>()
    for (const [name, tensor] of results) {
      const value = this.#values.get(tensor)!
      if (!producers.has(value) || renamed.has(value)) this.#push('Identity', [value], [name], {}, '')
      else renamed.set(value, name)
    }
    const rename = (value: string) => renamed.get(value) ?? value
    for (const node of this.#nodes) {
      node.inputs = node.inputs.map(rename)
      node.outputs = node.outputs.map(rename)
    }
    return this.#nodes
  }

  node(
    opType: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, OnnxAttributeValue>> = {},
    domain = '',
    outputs = 1,
  ): string {
    const names = Array.from({ length: outputs }, () => this.#fresh(opType))
    this.#push(opType, inputs, names, attributes, domain)
    return names[0]!
  }

  sibling(value: string, output: number): string {
    return this.#nodes.find(({ outputs }) => outputs[0] === value)!.outputs[output]!
  }

  scalar(value: number, dtype: DType): string {
    return this.#constant(`${dtype}:${Object.is(value, -0) ? '-0' : value}`, dtype, [], () => fromNumbers([value], dtype))
  }

  integers(values: readonly number[]): string {
    return this.#constant(`[${values}]`, 'int64', [values.length], () => BigInt64Array.from(values, BigInt))
  }

  sizes(dimensions: readonly Dimension[]): string {
    if (dimensions.every((dimension) => typeof dimension === 'number')) return this.integers(dimensions as readonly number[])
    const parts = dimensions.map((dimension) => this.#size(dimension))
    return parts.length === 1 ? parts[0]! : this.node('Concat', parts, { axis: 0 })
  }

  reshapeSizes(shape: Shape): string {
    if (!canInfer(shape)) return this.sizes(shape)
    return this.integers(shape.map((dimension) => (typeof dimension === 'number' ? dimension : -1)))
  }

  cast(value: string, dtype: DType): string {
    return this.node('Cast', [value], { to: onnxTypeCodes[dtype] })
  }

  #bind(name: string, leaf: Tensor): void {
    this.#values.set(leaf, name)
    leaf.shape.forEach((dimension, axis) => {
      if (typeof dimension !== 'number' && !this.#axes.has(dimension.toString()))
        this.#axes.set(dimension.toString(), { value: name, axis })
    })
  }

  /** A one-element int64 value; sums and products of named sizes are computed in the graph. */
  #size(dimension: Dimension): string {
    if (typeof dimension === 'number') return this.integers([dimension])
    const key = dimension.toString()
    const known = this.#sizes.get(key)
    if (known !== undefined) return known
    const value = this.#axes.has(key) ? this.#axisSize(key) : this.#polynomial(dimension)
    this.#sizes.set(key, value)
    return value
  }

  #axisSize(name: string): string {
    const { value, axis } = this.#axes.get(name)!
    return this.node('Shape', [value], { start: axis, end: axis + 1 })
  }

  #polynomial(dimension: SymbolicDimension): string {
    const terms = [...dimension.terms].map(([symbols, factor]) => {
      const factors = symbols === '' ? [] : symbols.split('*').map((name) => this.#symbolSize(name, dimension))
      const all = factor === 1 && factors.length > 0 ? factors : [this.integers([factor]), ...factors]
      return all.reduce((a, b) => this.node('Mul', [a, b]))
    })
    return terms.reduce((a, b) => this.node('Add', [a, b]))
  }

  #symbolSize(name: string, within: SymbolicDimension): string {
    if (!this.#axes.has(name)) throw new GraphError(`size ${name} of ${within} is not the axis of any input or variable`)
    return this.#size(symbol(name))
  }

  #constant(key: string, dtype: DType, shape: readonly number[], data: () => TypedArray): string {
    const known = this.#constants.get(key)
    if (known !== undefined) return known
    const name = this.#initializer(dtype, shape, data())
    this.#constants.set(key, name)
    return name
  }

  #initializer(dtype: DType, shape: readonly number[], data: TypedArray): string {
    const name = this.#fresh('constant')
    this.initializers.push({ name, dtype, shape, data })
    return name
  }

  #push(
    opType: string,
    inputs: readonly string[],
    outputs: readonly string[],
    attributes: Readonly<Record<string, OnnxAttributeValue>>,
    domain: string,
  ): void {
    const encoded = Object.fromEntries(Object.entries(attributes).map(([name, value]) => [name, encodeAttribute(value)]))
    this.#nodes.push({
      name: `${opType}_${this.#nodes.length}`,
      opType,
      domain,
      inputs: [...inputs],
      outputs: [...outputs],
      attributes: encoded,
    })
  }

  #fresh(prefix: string): string {
    const name = `${prefix}:${this.#count++}`
    return this.#taken.has(name) ? this.#fresh(prefix) : name
  }
}

function encodeAttribute(value: OnnxAttributeValue): OnnxAttribute {
  if (typeof value === 'number') return { kind: 'int', value }
  if (typeof value === 'string') return { kind: 'string', value }
  if (Array.isArray(value)) return { kind: 'ints', value: value as readonly number[] }
  const object = value as { float?: number; strings?: readonly string[] }
  return object.float !== undefined ? { kind: 'float', value: object.float } : { kind: 'strings', value: object.strings! }
}
