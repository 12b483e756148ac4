import type { DType } from '../../../src/base/dtype.ts'
import { encodeOnnx, type OnnxInitializer, type OnnxNode, type OnnxValue } from '../../../src/formats/onnx.ts'

interface Sketch {
  readonly inputs: readonly OnnxValue[]
  readonly outputs: readonly OnnxValue[]
  readonly nodes: readonly OnnxNode[]
  readonly initializers?: readonly OnnxInitializer[]
}

export function model({ inputs, outputs, nodes, initializers = [] }: Sketch): Uint8Array {
  const opsetImports = [{ domain: '', version: 21 }]
  const graph = { name: 'test', inputs, outputs, nodes, initializers }
  return encodeOnnx({ irVersion: 10, opsetImports, producerName: 'nextx', producerVersion: '', graph }).model
}

export function value(name: string, dtype: DType, ...shape: (number | string)[]): OnnxValue {
  return { name, dtype, shape }
}

export function node(opType: string, inputs: readonly string[], outputs: readonly string[]): OnnxNode {
  return { name: '', opType, domain: '', inputs, outputs, attributes: {} }
}

/** z = x + y, one dimension of any size. */
export function addition(dtype: DType = 'float32'): Uint8Array {
  return model({
    inputs: [value('x', dtype, 'n'), value('y', dtype, 'n')],
    outputs: [value('z', dtype, 'n')],
    nodes: [node('Add', ['x', 'y'], ['z'])],
  })
}

/** y = x, of any dtype and of the named dimensions. */
export function identity(dtype: DType, ...shape: (number | string)[]): Uint8Array {
  return model({
    inputs: [value('x', dtype, ...shape)],
    outputs: [value('y', dtype, ...shape)],
    nodes: [node('Identity', ['x'], ['y'])],
  })
}

/** minus = -x, plus = |x|: two outputs, to fetch one of. */
export function twoOutputs(): Uint8Array {
  return model({
    inputs: [value('x', 'float32', 'n')],
    outputs: [value('minus', 'float32', 'n'), value('plus', 'float32', 'n')],
    nodes: [node('Neg', ['x'], ['minus']), node('Abs', ['x'], ['plus'])],
  })
}

/** y = x to the power of `factors` (matrix products): long enough to be under way when something else happens. */
export function longRun(factors: number): Uint8Array {
  const names = ['x', ...Array.from({ length: factors - 2 }, (_, i) => `h${i}`), 'y']
  return model({
    inputs: [value('x', 'float32', 'n', 'n')],
    outputs: [value('y', 'float32', 'n', 'n')],
    nodes: names.slice(1).map((name, i) => node('MatMul', [names[i]!, 'x'], [name])),
  })
}

/** y = x + w with w in an external file. */
export function externalBias(location: string, length: number): Uint8Array {
  const external = { location, offset: 0, length: 4 * length }
  return model({
    inputs: [value('x', 'float32', length)],
    outputs: [value('y', 'float32', length)],
    nodes: [node('Add', ['x', 'w'], ['y'])],
    initializers: [{ name: 'w', dtype: 'float32', shape: [length], external }],
  })
}
