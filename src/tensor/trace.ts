import { GraphError } from '../base/errors.ts'
import type { Assignment } from './assignment.ts'
import { topologicalOrder } from './graph.ts'
import type { InputSpec } from './input-spec.ts'
import { input } from './ops/leaf.ts'
import { simplify } from './simplify.ts'
import { Tensor } from './tensor.ts'
import type { Variable } from './variable.ts'
import { verify } from './verify.ts'

export type Inputs = Readonly<Record<string, InputSpec>>

/** What a program's function returns: tensors to give back, and assignments to carry out. */
export type Results = Readonly<Record<string, Tensor | Assignment | readonly Assignment[]>>

/** A traced, simplified and verified program. */
export interface Trace {
  readonly inputs: ReadonlyMap<string, Tensor>
  readonly outputs: ReadonlyMap<string, Tensor>
  readonly assignments: readonly Assignment[]
  /** Every node, producers first. */
  readonly order: readonly Tensor[]
  /** Variables that are read or assigned. */
  readonly variables: readonly Variable[]
}

/** Runs `build` on symbolic inputs and keeps what it computes. Throws GraphError, ShapeError or DTypeError at the mistaken call. */
export function trace<I extends Inputs, R extends Results>(
  inputs: I,
  build: (inputs: { readonly [K in keyof I]: Tensor }) => R,
): Trace {
  const leaves = new Map(Object.entries(inputs).map(([name, spec]) => [checkName(name), input(name, spec.dtype, spec.shape)]))
  const results = entriesOf(build(Object.fromEntries(leaves) as { [K in keyof I]: Tensor }))
  const outputs = new Map(results.filter((entry): entry is [string, Tensor] => entry[1] instanceof Tensor))
  const assignments = results.flatMap(([, result]) =>
    result instanceof Tensor ? [] : (result as Assignment | readonly Assignment[]),
  )
  if (outputs.size + assignments.length === 0)
    throw new GraphError('the program has no results', { expected: 'a tensor or an assignment' })
  refuseTwice(assignments)
  for (const assignment of assignments) refuseForeignRows(assignment, leaves)
  const both = [...outputs.keys()].find((name) => leaves.has(name))
  if (both !== undefined) throw new GraphError(`an input and an output are named ${both}`, { fix: 'give the output another name' })
  return simplified(leaves, outputs, assignments)
}

function checkName(name: string): string {
  if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) throw new GraphError(`input name ${JSON.stringify(name)} is not an identifier`)
  return name
}

/** The results by name, checked to be what a program can give back or carry out. */
function entriesOf(results: Results): [string, Results[string]][] {
  if (typeof results !== 'object' || results === null)
    throw new GraphError(`the program gives ${String(results)}`, { expected: 'an object of named results' })
  const entries = Object.entries(results)
  for (const [name, result] of entries) {
    const parts: readonly unknown[] = Array.isArray(result) ? result : [result]
    if (name === '' || !(result instanceof Tensor || parts.every(isAssignment))) {
      throw new GraphError(`result ${JSON.stringify(name)} is ${String(result)}`, {
        expected: 'a named Tensor, assignment, or list of assignments',
      })
    }
  }
  return entries
}

function isAssignment(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'variable' in value && 'value' in value && value.value instanceof Tensor
}

function refuseForeignRows(assignment: Assignment, leaves: ReadonlyMap<string, Tensor>): void {
  if (assignment.kind === 'whole') return
  for (const index of [assignment.starts, assignment.counts]) {
    if (leaves.get(index.attributes.name as string) !== index)
      throw new GraphError(`rows of variable ${assignment.variable.label} are placed by ${index}`, {
        expected: 'an input of this program',
      })
  }
}

function refuseTwice(assignments: readonly Assignment[]): void {
  const seen = new Set<Variable>()
  for (const { variable } of assignments) {
    if (seen.has(variable))
      throw new GraphError(`variable ${variable.label} is assigned twice`, { expected: 'one assignment per run' })
    seen.add(variable)
  }
}

function simplified(
  leaves: ReadonlyMap<string, Tensor>,
  outputs: ReadonlyMap<string, Tensor>,
  assignments: readonly Assignment[],
): Trace {
  const roots = [...leaves.values(), ...outputs.values(), ...assignments.map(({ value }) => value)]
  const replaced = simplify(roots)
  const result = {
    inputs: new Map([...leaves].map(([name, leaf]) => [name, replaced.get(leaf)!])),
    outputs: new Map([...outputs].map(([name, tensor]) => [name, replaced.get(tensor)!])),
    assignments: assignments.map((assignment) => ({ ...assignment, value: replaced.get(assignment.value)! })),
  }
  const order = topologicalOrder([
    ...result.inputs.values(),
    ...result.outputs.values(),
    ...result.assignments.map(({ value }) => value),
  ])
  verify(order)
  const own = new Set(result.inputs.values())
  const foreign = order.find((node) => node.op.name === 'input' && !own.has(node))
  if (foreign !== undefined) throw new GraphError(`${foreign} ${String(foreign.attributes.name)} is no input of this program`)
  const read = order.filter((node) => node.op.name === 'variable').map((node) => node.attributes.variable as Variable)
  return { ...result, order, variables: [...new Set([...read, ...assignments.map(({ variable }) => variable)])] }
}
