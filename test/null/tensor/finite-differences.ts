import { expect } from 'vitest'
import { elementCount } from '../../../src/base/dtype.ts'
import { createRng } from '../../../src/base/rng.ts'
import { interpret, type LeafValues, type Tensor } from '../../../src/tensor/index.ts'
import type { ReferenceValue } from '../../../src/tensor/tensor.ts'

/** The leaf's value with one element changed. */
function nudged(value: ReferenceValue, at: number, by: number): ReferenceValue {
  return { shape: value.shape, data: value.data.with(at, value.data[at]! + by) }
}

export interface DifferenceOptions {
  /** Which leaf: an input's name, or a variable. */
  readonly leaf: string | object
  /** Which of its elements; default: all. */
  readonly elements?: readonly number[]
  /** Step of the central difference. Default 1e-4, whose error is about 1e-8. */
  readonly step?: number
}

/** d/dleaf of Σ cotangent · result by central differences, one entry per element asked for. */
export function centralDifferences(
  result: Tensor,
  cotangent: ReferenceValue,
  leaves: LeafValues,
  options: DifferenceOptions,
): number[] {
  const { leaf, step = 1e-4 } = options
  const value = leafValue(leaves, leaf)
  const at = (element: number, by: number) => {
    const [out] = interpret([result], withLeaf(leaves, leaf, nudged(value, element, by)))
    return out!.data.reduce((sum, x, i) => sum + x * cotangent.data[i]!, 0)
  }
  const elements = options.elements ?? [...value.data.keys()]
  return elements.map((element) => (at(element, step) - at(element, -step)) / (2 * step))
}

export function leafValue({ inputs, variables }: LeafValues, leaf: string | object): ReferenceValue {
  return (typeof leaf === 'string' ? inputs[leaf] : variables?.get(leaf))!
}

function withLeaf(leaves: LeafValues, leaf: string | object, value: ReferenceValue): LeafValues {
  if (typeof leaf === 'string') return { ...leaves, inputs: { ...leaves.inputs, [leaf]: value } }
  return { ...leaves, variables: new Map([...leaves.variables!, [leaf, value]]) }
}

/** Fixed random numbers. */
export function noise(label: string, shape: readonly number[]): ReferenceValue {
  const rng = createRng(9).fold(label)
  return { shape, data: Float64Array.from({ length: elementCount(shape) }, (_, i) => rng.normalAt(i)) }
}

export function expectNear(actual: ArrayLike<number>, expected: ArrayLike<number>, what: string, tolerance = 1e-6): void {
  expect(actual.length, what).toBe(expected.length)
  for (let i = 0; i < actual.length; i++) {
    const difference = Math.abs(actual[i]! - expected[i]!)
    if (!(difference <= tolerance * Math.max(1, Math.abs(expected[i]!)))) {
      expect.fail(`${what}: element ${i} is ${actual[i]}, not ${expected[i]} (tolerance ${tolerance})`)
    }
  }
}
