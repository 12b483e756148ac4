import { InferenceSession, Tensor } from 'onnxruntime-node'
import { expect, test } from 'vitest'
import type { HostTensor } from '../../src/base/dtype.ts'
import { type EncodedOnnx, encodeOnnx, type OnnxModel } from '../../src/formats/index.ts'
import { gemm, model, node, value } from '../null/formats/onnx-models.ts'
import { tensor } from '../null/formats/tensors.ts'

const weight = tensor('float32', [2, 3], [1, -2, 3, 0.5, 4, -1])
const bias = tensor('float32', [2], [10, -10])

/** Runs an encoded model and gives its output `y`. */
async function run({ model: bytes, external }: EncodedOnnx, feeds: Record<string, Tensor>, location = 'model.onnx.data') {
  const session = await InferenceSession.create(bytes, {
    logSeverityLevel: 3,
    ...(external !== undefined && { externalData: [{ path: location, data: external }] }),
  })
  try {
    const { y } = await session.run(feeds)
    return { dims: y!.dims, data: [...(y!.data as Float32Array)] }
  } finally {
    await session.release()
  }
}

function rows(count: number): Float32Array {
  return Float32Array.from({ length: count * 3 }, (_, index) => index - 4)
}

/** 0.5 · x · weightᵀ + bias, in double precision. */
function expectedGemm(x: Float32Array): number[] {
  const w = [...(weight.data as Float32Array)]
  const b = [...(bias.data as Float32Array)]
  return Array.from({ length: (x.length / 3) * 2 }, (_, index) => {
    const [row, column] = [Math.floor(index / 2), index % 2]
    return [0, 1, 2].reduce((sum, k) => sum + 0.5 * x[row * 3 + k]! * w[column * 3 + k]!, b[column]!)
  })
}

test('Add over a symbolic dimension', async () => {
  const addition = encodeOnnx(
    model({
      nodes: [node('Add', ['x', 'x'], ['y'])],
      inputs: [value('x', 'float32', 'n')],
      outputs: [value('y', 'float32', 'n')],
    }),
  )
  for (const n of [1, 4]) {
    const x = rows(n)
    expect(await run(addition, { x: new Tensor('float32', x, [x.length]) })).toEqual({
      dims: [x.length],
      data: [...x].map((v) => v + v),
    })
  }
})

test('Gemm with float and integer attributes and initializers, for several numbers of rows', async () => {
  const encoded = encodeOnnx(gemm(weight, bias))
  for (const count of [1, 5]) {
    const x = rows(count)
    expect(await run(encoded, { x: new Tensor('float32', x, [count, 3]) })).toEqual({ dims: [count, 2], data: expectedGemm(x) })
  }
})

test('initializers in an external file', async () => {
  const encoded = encodeOnnx(gemm(weight, bias), { externalThreshold: 1, externalLocation: 'weights.bin' })
  expect(encoded.external).toBeDefined()
  const x = rows(2)
  const output = await run(encoded, { x: new Tensor('float32', x, [2, 3]) }, 'weights.bin')
  expect(output).toEqual({ dims: [2, 2], data: expectedGemm(x) })
})

test('an initializer that refers to bytes of a file of another format', async () => {
  const file = new Uint8Array(100)
  file.set(new Uint8Array(weight.data.buffer), 64)
  const encoded = gemm(weight, bias)
  const reference = {
    name: 'weight',
    dtype: 'float32',
    shape: [2, 3],
    external: { location: 'w.safetensors', offset: 64, length: 24 },
  } as const
  const graph = { ...encoded.graph, initializers: [reference, encoded.graph.initializers[1]!] }
  const x = rows(2)
  const output = await run(
    { ...encodeOnnx({ ...encoded, graph }), external: file },
    { x: new Tensor('float32', x, [2, 3]) },
    'w.safetensors',
  )
  expect(output.data).toEqual(expectedGemm(x))
})

test('integer lists, strings, tensors, subgraphs and operators of the runtime itself', async () => {
  const branch = (name: string, opType: string) =>
    model({ name, nodes: [node(opType, ['f'], [name])], outputs: [value(name, 'float32')] } as const).graph
  const content: OnnxModel = {
    ...model({
      nodes: [
        node('Constant', [], ['shape'], { value: { kind: 'tensor', value: tensor('int64', [2], [3, 2]) } }),
        node('Reshape', ['x', 'shape'], ['r']),
        node('Transpose', ['r'], ['t'], { perm: { kind: 'ints', value: [1, 0] } }),
        // Einsum takes its equation as a string: sums of the columns of t.
        node('Einsum', ['t'], ['e'], { equation: { kind: 'string', value: 'ij->j' } }),
        { ...node('BiasGelu', ['e', 'zeros'], ['f']), domain: 'com.microsoft' },
        node('If', ['c'], ['y'], {
          then_branch: { kind: 'graph', value: branch('a', 'Neg') },
          else_branch: { kind: 'graph', value: branch('b', 'Identity') },
        }),
      ],
      inputs: [value('x', 'float32', 6), value('c', 'bool')],
      outputs: [{ name: 'y', dtype: 'float32' }],
      initializers: [{ name: 'zeros', ...tensor('float32', [3], [0, 0, 0]) }],
    }),
    opsetImports: [
      { domain: '', version: 21 },
      { domain: 'com.microsoft', version: 1 },
    ],
  }
  // Large numbers pass gelu unchanged.
  const x = new Tensor('float32', Float32Array.of(100, 200, 300, 400, 500, 600), [6])
  const encoded = encodeOnnx(content)
  expect((await run(encoded, { x, c: new Tensor('bool', Uint8Array.of(0), []) })).data).toEqual([300, 700, 1100])
  expect((await run(encoded, { x, c: new Tensor('bool', Uint8Array.of(1), []) })).data).toEqual([-300, -700, -1100])
})

test('initializers of every dtype', async () => {
  const constants: readonly HostTensor[] = [
    tensor('float32', [2], [1.5, -2]),
    tensor('float64', [2], [1.5, -2]),
    tensor('float16', [2], [0x3e00, 0xc000]),
    tensor('bfloat16', [2], [0x3fc0, 0xc000]),
    tensor('int32', [2], [7, -2]),
    tensor('int64', [2], [7n, -2n]),
    tensor('uint8', [2], [7, 255]),
    tensor('bool', [2], [1, 0]),
  ]
  const expected = {
    float32: [1.5, -2],
    float64: [1.5, -2],
    float16: [1.5, -2],
    bfloat16: [1.5, -2],
    int32: [7, -2],
    int64: [7, -2],
  }
  for (const constant of constants) {
    const encoded = encodeOnnx(
      model({
        nodes: [node('Cast', ['w'], ['y'], { to: { kind: 'int', value: 1 } })],
        outputs: [value('y', 'float32', 2)],
        initializers: [{ name: 'w', ...constant }],
      }),
    )
    const { data } = await run(encoded, {})
    expect(data, constant.dtype).toEqual({ ...expected, uint8: [7, 255], bool: [1, 0] }[constant.dtype])
  }
})
