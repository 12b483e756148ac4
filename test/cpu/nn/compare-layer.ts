import { afterAll, beforeAll, expect } from 'vitest'
import { type Module, parameters } from '../../../src/nn/index.ts'
import { type Device, openDevice } from '../../../src/platform/index.ts'
import { compile, float32, fromReference, gradients, interpret, mean, square, type Tensor } from '../../../src/tensor/index.ts'
import { randomVariables } from '../../null/nn/oracle.ts'
import { expectNear, noise } from '../../null/tensor/finite-differences.ts'

/** Opens a device for a test file; what it returns compares results and gradients of all weights (and of x) with the interpreter's. */
export function layerComparison() {
  let device: Device
  beforeAll(async () => {
    device = await openDevice({ worker: false, threads: 1 })
  })
  afterAll(() => device[Symbol.asyncDispose]())

  return async (layer: Module, forward: (x: Tensor) => Tensor, shape: readonly number[], tolerance = 2e-4): Promise<void> => {
    const { variables } = randomVariables(layer)
    for (const [variable, value] of variables) await variable.write(fromReference(value, 'float32').data)
    const build = ({ x }: { x: Tensor }) => {
      const result = forward(x)
      const slopes = gradients(mean(square(result)), [x, ...parameters(layer)])
      return { result, ...Object.fromEntries(slopes.map((slope, i) => [`gradient${i}`, slope])) }
    }
    const program = compile({ x: float32(...shape) }, build, { device })
    const x = noise('x', shape)
    const found: Record<string, { data: unknown }> = await program.run({ x: Float32Array.from(x.data) })
    const names = [...program.trace.outputs.keys()]
    const expected = interpret([...program.trace.outputs.values()], { inputs: { x }, variables })
    expect(names).toHaveLength(2 + parameters(layer).length)
    for (const [i, name] of names.entries()) expectNear(found[name]!.data as Float32Array, expected[i]!.data, name, tolerance)
    await program.dispose()
  }
}
