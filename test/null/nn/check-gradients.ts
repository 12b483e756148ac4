import { type Module, namedVariables } from '../../../src/nn/index.ts'
import { input, interpret, pullback, type Tensor } from '../../../src/tensor/index.ts'
import { centralDifferences, expectNear, noise } from '../tensor/finite-differences.ts'
import { randomVariables } from './oracle.ts'

/** Compares the gradients of a layer's input and of all its variables with central differences, at most `most` elements of each. */
export function checkLayerGradients(
  layer: Module,
  forward: (x: Tensor) => Tensor,
  shape: readonly number[],
  { most = 24, tolerance = 1e-6 }: { most?: number; tolerance?: number } = {},
): void {
  const { variables } = randomVariables(layer)
  const [x, result] = [input('x', 'float32', shape), forward(input('x', 'float32', shape))]
  const cotangent = input('cotangent', 'float32', result.shape)
  const leaves = {
    inputs: { x: noise('x', shape), cotangent: noise('cotangent', result.shape as readonly number[]) },
    variables,
  }
  const named = [...namedVariables(layer)]
  const leaf = forward(x)
  const values = interpret(pullback(leaf, cotangent, [x, ...named.map(([, variable]) => variable)]), leaves)
  for (const [i, [name, target]] of [['x', 'x'] as const, ...named].entries()) {
    const { data } = values[i]!
    const stride = Math.max(1, Math.ceil(data.length / most))
    const elements = Array.from({ length: Math.ceil(data.length / stride) }, (_, at) => at * stride)
    const expected = centralDifferences(leaf, leaves.inputs.cotangent, leaves, { leaf: target, elements })
    expectNear(
      elements.map((at) => data[at]!),
      expected,
      `gradient of ${name}`,
      tolerance,
    )
  }
}
