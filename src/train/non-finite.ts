import { elementCount, isFloat } from '../base/dtype.ts'
import type { Device } from '../platform/device.ts'
import { topologicalOrder } from '../tensor/graph.ts'
import { cast, compile, finite, type Inputs, not, scalar, sum, type Tensor, type Variable } from '../tensor/index.ts'
import { siteLine } from '../tensor/site.ts'
import { describeType } from '../tensor/tensor.ts'
import type { Feeds, StepGraph, StepGraphBuilder } from './step-graph.ts'

/** A run whose output was not finite. */
export interface BrokenRun {
  readonly inputs: Inputs
  readonly build: StepGraphBuilder
  readonly output: string
  readonly feeds: Feeds
  readonly device: Device
}

/** Nodes watched by one program: the runtime may keep all their values until its end. */
const chunk = 256

/**
 * Runs a step again with every tensor watched, and describes the first one, in the order of computation, that is not finite and that
 * the output's value comes from. Inputs and variables are named before what is computed from them. Infinities that are meant (masks) do
 * not count while what is computed from them is finite.
 */
export async function explainNonFinite(run: BrokenRun): Promise<string> {
  const counts = new Map<number, number>()
  let graph: WatchedGraph
  let start = 0
  do {
    graph = await watch(run, start, counts)
    start += chunk
  } while (start < graph.order.length)
  const guilty = chainOf(graph, counts)
  const leaf = guilty.find((node) => node.inputs.length === 0)
  const first = leaf ?? guilty[0]
  if (first === undefined) return 'no operation shows it when each runs by itself, so that a fused kernel overflowed'
  return `the first tensor that is not finite is ${describe(first, graph, counts.get(graph.order.indexOf(first))!)}`
}

interface WatchedGraph {
  /** Every node the output depends on, producers first. */
  readonly order: readonly Tensor[]
  readonly labels: ReadonlyMap<Tensor, string>
  /** What the loss is computed from. */
  readonly forward: ReadonlySet<Tensor>
}

/** Adds to `counts`, by place in the order, how many values of the nodes from `start` on are not finite. */
async function watch({ inputs, build, output, feeds, device }: BrokenRun, start: number, counts: Map<number, number>) {
  let graph: WatchedGraph | undefined
  const program = compile(
    inputs,
    (leaves) => {
      graph = watchedGraph(build(leaves), output)
      const flags = flagsOf(graph.order, start).map(([place, flag]) => [`node:${place}`, flag] as const)
      // A program must have an output.
      return Object.fromEntries([...flags, ['none', scalar(0)]])
    },
    { device, optimization: 'basic', name: 'watched' },
  )
  try {
    const flags = await program.run(feeds)
    for (const [name, { data }] of Object.entries(flags)) {
      if (name !== 'none' && Number(data[0]) > 0) counts.set(Number(name.slice('node:'.length)), Number(data[0]))
    }
  } finally {
    await program.dispose()
  }
  return graph!
}

function watchedGraph({ outputs, labels }: StepGraph, output: string): WatchedGraph {
  const forward = new Set(outputs.loss === undefined ? [] : topologicalOrder([outputs.loss]))
  return { order: topologicalOrder([outputs[output]!]), labels, forward }
}

function flagsOf(order: readonly Tensor[], start: number): [place: number, flag: Tensor][] {
  return order.slice(start, start + chunk).flatMap((node, i) => {
    const watched = isFloat(node.dtype) && (node.inputs.length > 0 || node.op.name === 'input' || node.op.name === 'variable')
    return watched ? [[start + i, sum(cast(not(finite(node)), 'float32'))] as [number, Tensor]] : []
  })
}

/** The nodes, in order, that the output got its bad value from: bad themselves, and used by a bad one. */
function chainOf({ order }: WatchedGraph, counts: ReadonlyMap<number, number>): Tensor[] {
  const bad = new Set(order.filter((_, place) => counts.has(place)))
  const chain = new Set<Tensor>(order.slice(-1).filter((output) => bad.has(output)))
  for (const node of order.toReversed()) {
    if (chain.has(node)) for (const input of node.inputs) if (bad.has(input)) chain.add(input)
  }
  return order.filter((node) => chain.has(node))
}

function describe(node: Tensor, graph: WatchedGraph, count: number): string {
  const label = graph.labels.get(node)
  const read = new Set(node.inputs.flatMap((input) => graph.labels.get(input) ?? nameOfLeaf(input)))
  const parts = [
    `${label === undefined ? '' : `${label}, `}${nameOfLeaf(node)[0] ?? node.op.name} ${describeType(node)}`,
    `(${count} of ${total(node)} values)`,
    read.size === 0 ? '' : `computed from ${[...read].join(' and ')}`,
    placeOf(node, graph),
  ]
  return parts.filter((part) => part !== '').join(' ')
}

/** The caller's line; what the trainer itself adds to a loss has none. */
function placeOf(node: Tensor, graph: WatchedGraph): string {
  if (node.inputs.length === 0) return ''
  if (!graph.forward.has(node)) return backwardPlace(node, graph)
  const line = siteLine(node.site)
  return line === undefined ? '' : `at ${line}`
}

/** The nearest named tensor that a node of the backward pass leads to. */
function backwardPlace(node: Tensor, { order, labels }: WatchedGraph): string {
  const reached = new Set([node])
  for (const user of order) if (user.inputs.some((input) => reached.has(input))) reached.add(user)
  const name = order.find((user) => user !== node && reached.has(user) && labels.has(user))
  return labels.has(node) || name === undefined ? 'in the backward pass' : `on the way to ${labels.get(name)}`
}

function nameOfLeaf({ op, attributes }: Tensor): string[] {
  if (op.name === 'input') return [`input ${String(attributes.name)}`]
  if (op.name !== 'variable') return []
  const { trainable, label } = attributes.variable as Variable
  return [`${trainable ? 'parameter' : 'variable'} ${label}`]
}

function total({ shape }: Tensor): string {
  return shape.every((size) => typeof size === 'number') ? String(elementCount(shape as number[])) : 'its'
}
