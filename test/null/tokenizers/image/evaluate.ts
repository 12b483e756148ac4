import { elementCount } from '../../../../src/base/dtype.ts'
import { createRng } from '../../../../src/base/rng.ts'
import { initialize, type Module, namedVariables } from '../../../../src/nn/index.ts'
import { type Assignment, input, interpret, type Tensor, toReference } from '../../../../src/tensor/index.ts'
import type { ReferenceValue } from '../../../../src/tensor/tensor.ts'

export type Values = ReadonlyMap<object, ReferenceValue>

/** First values of a module's variables. */
export async function startOf(module: Module, seed = 1): Promise<Map<object, ReferenceValue>> {
  await initialize(module, createRng(seed))
  const values = new Map<object, ReferenceValue>()
  for (const variable of namedVariables(module).values()) {
    const { dtype, concreteShape: shape } = variable
    values.set(variable, toReference({ dtype, shape, data: await variable.read() }))
  }
  return values
}

export function numbers(shape: readonly number[], data: ArrayLike<number>): ReferenceValue {
  return { shape, data: Float64Array.from(data) }
}

/** Normal numbers. */
export function normals(shape: readonly number[], seed: number): ReferenceValue {
  return numbers(shape, createRng(seed).fillNormal(new Float32Array(elementCount(shape))))
}

/** What a traced function makes of float inputs (int32 where named so), by the interpreter, in doubles. */
export function evaluate(
  given: Readonly<Record<string, ReferenceValue>>,
  variables: Values,
  build: (inputs: Readonly<Record<string, Tensor>>) => readonly Tensor[],
): Float64Array[] {
  const entries = Object.entries(given).map(([name, { shape }]) => {
    return [name, input(name, name.startsWith('ids') ? 'int32' : 'float32', shape)] as const
  })
  return interpret(build(Object.fromEntries(entries)), { inputs: given, variables }).map(({ data }) => data)
}

/** The variables' values once assignments are carried out. */
export function assigned(
  given: Readonly<Record<string, ReferenceValue>>,
  variables: Values,
  build: (inputs: Readonly<Record<string, Tensor>>) => readonly Assignment[],
): Map<object, ReferenceValue> {
  let assignments: readonly Assignment[] = []
  const next = evaluate(given, variables, (inputs) => {
    assignments = build(inputs)
    return assignments.map(({ value }) => value)
  })
  const values = new Map(variables)
  for (const [i, { variable }] of assignments.entries()) values.set(variable, numbers(variable.concreteShape, next[i]!))
  return values
}
