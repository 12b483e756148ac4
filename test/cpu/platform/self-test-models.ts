import { encodeOnnx } from '../../../src/formats/onnx.ts'
import { node, value } from './models.ts'

/** What src/platform/self-test-models.ts carries as bytes, from the schema. */
export const selfTestSketches = {
  addition: {
    opsets: [{ domain: '', version: 21 }],
    inputs: [value('x', 'float32', 'a', 'b'), value('y', 'float32', 'a', 'b')],
    outputs: [value('z', 'float32', 'a', 'b')],
    nodes: [node('Add', ['x', 'y'], ['z'])],
  },
  cachedAttention: {
    opsets: [
      { domain: '', version: 21 },
      { domain: 'com.microsoft', version: 1 },
    ],
    inputs: [
      value('query', 'float32', 'b', 't', 16),
      value('key', 'float32', 'b', 't', 8),
      value('value', 'float32', 'b', 't', 8),
      value('pastKey', 'float32', 'b', 1, 'c', 8),
      value('pastValue', 'float32', 'b', 1, 'c', 8),
      value('last', 'int32', 'b'),
      value('total', 'int32', 1),
    ],
    outputs: [
      value('mixed', 'float32', 'b', 't', 16),
      value('presentKey', 'float32', 'b', 1, 'c', 8),
      value('presentValue', 'float32', 'b', 1, 'c', 8),
    ],
    nodes: [
      {
        ...node(
          'GroupQueryAttention',
          ['query', 'key', 'value', 'pastKey', 'pastValue', 'last', 'total'],
          ['mixed', 'presentKey', 'presentValue'],
        ),
        domain: 'com.microsoft',
        attributes: { num_heads: { kind: 'int', value: 2 }, kv_num_heads: { kind: 'int', value: 1 } },
      },
    ],
  },
} as const

export function selfTestBytes(name: keyof typeof selfTestSketches): Uint8Array {
  const { opsets, inputs, outputs, nodes } = selfTestSketches[name]
  const graph = { name: 'test', inputs, outputs, nodes, initializers: [] }
  return encodeOnnx({ irVersion: 10, opsetImports: opsets, producerName: 'nextx', producerVersion: '', graph }).model
}
