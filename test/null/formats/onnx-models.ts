import type { DType, HostTensor } from '../../../src/base/dtype.ts'
import type { OnnxAttribute, OnnxGraph, OnnxModel, OnnxNode, OnnxValue } from '../../../src/formats/index.ts'

export function value(name: string, dtype: DType, ...shape: (number | string)[]): OnnxValue {
  return { name, dtype, shape }
}

export function node(
  opType: string,
  inputs: readonly string[],
  outputs: readonly string[],
  attributes: Readonly<Record<string, OnnxAttribute>> = {},
): OnnxNode {
  return { name: '', opType, domain: '', inputs, outputs, attributes }
}

export function model(graph: Partial<OnnxGraph>): OnnxModel {
  return {
    irVersion: 10,
    opsetImports: [{ domain: '', version: 21 }],
    producerName: 'nextx',
    producerVersion: '',
    graph: { name: 'test', nodes: [], inputs: [], outputs: [], initializers: [], ...graph },
  }
}

/** y = 0.5 · x · weightᵀ + bias, for any number of rows of 3. */
export function gemm(weight: HostTensor, bias: HostTensor): OnnxModel {
  const attributes = { alpha: { kind: 'float', value: 0.5 }, transB: { kind: 'int', value: 1 } } as const
  return model({
    nodes: [node('Gemm', ['x', 'weight', 'bias'], ['y'], attributes)],
    inputs: [value('x', 'float32', 'rows', 3)],
    outputs: [value('y', 'float32', 'rows', 2)],
    initializers: [
      { name: 'weight', ...weight },
      { name: 'bias', ...bias },
    ],
  })
}
