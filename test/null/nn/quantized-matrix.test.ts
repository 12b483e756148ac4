import { describe, expect, it } from 'vitest'
import { GraphError, OptionError, ShapeError } from '../../../src/base/errors.ts'
import { createRng } from '../../../src/base/rng.ts'
import { tiedHead } from '../../../src/heads/index.ts'
import { Embedding, initialize, Linear, namedVariables, parameters, QuantizedMatrix, zeros } from '../../../src/nn/index.ts'
import { constant, input, interpret, matmulQuantized, type TensorOperand } from '../../../src/tensor/index.ts'
import { expectNear, noise } from '../tensor/finite-differences.ts'
import { randomBlocks, weightsOf } from './block-values.ts'

const formats = [
  { bits: 4, blockSize: 16 },
  { bits: 8, blockSize: 32 },
] as const

const x = noise('x', [2, 3, 61])

/** A matrix `[5, 61]` of random values, as the interpreter reads it. */
function randomMatrix(format: (typeof formats)[number]) {
  const matrix = new QuantizedMatrix(5, 61, format)
  const values = randomBlocks(5, 61, format)
  const variables = new Map([
    [matrix.blocks, { shape: matrix.blocks.concreteShape, data: Float64Array.from(values.blocks) }],
    [matrix.scales, { shape: matrix.scales.concreteShape, data: Float64Array.from(values.scales) }],
  ])
  return { matrix, values, variables, weights: weightsOf(values, 61) }
}

/** x·Wᵀ + b, term by term. */
function products(weights: readonly (readonly number[])[], bias: ArrayLike<number> = [0, 0, 0, 0, 0]): number[] {
  return Array.from({ length: 6 }, (_, row) => x.data.subarray(row * 61, row * 61 + 61)).flatMap((row) =>
    weights.map((weight, n) => bias[n]! + weight.reduce((sum, w, k) => sum + w * row[k]!, 0)),
  )
}

describe.each(formats)('$bits bits in blocks of $blockSize', (format) => {
  it('multiply in a Linear, with its bias', () => {
    const { matrix, variables, weights } = randomMatrix(format)
    const layer = Object.assign(new Linear(61, 5, { bias: zeros }), { weight: matrix })
    const bias = noise('bias', [5])
    const [output] = interpret([layer.forward(input('x', 'float32', x.shape))], {
      inputs: { x },
      variables: new Map([...variables, [layer.bias!, bias]]),
    })
    expect(output!.shape).toEqual([2, 3, 5])
    expectNear(output!.data, products(weights, bias.data), 'product', 1e-12)
    expect([...namedVariables(layer).keys()]).toEqual(['weight.blocks', 'weight.scales', 'bias'])
    expect(parameters(layer)).toEqual([layer.bias])
  })

  it('are looked up in an Embedding, and multiply in the head that is tied to it', () => {
    const { matrix, variables, weights } = randomMatrix(format)
    const embedding = new Embedding(5, 61)
    const head = tiedHead(embedding)
    Object.assign(embedding, { weight: matrix })
    const ids = { shape: [2, 2], data: Float64Array.of(4, 0, 0, 3) }
    const [rows, logits] = interpret(
      [embedding.forward(input('ids', 'int32', [2, 2])), head.logits(input('x', 'float32', x.shape))],
      { inputs: { x, ids }, variables },
    )
    expect(rows!.shape).toEqual([2, 2, 61])
    expect([...rows!.data]).toEqual([4, 0, 0, 3].flatMap((id) => weights[id]!))
    expectNear(logits!.data, products(weights), 'logits', 1e-12)
  })

  it('give back what was written', async () => {
    const { matrix, values } = randomMatrix(format)
    expect(matrix.shape).toEqual([5, 61])
    await matrix.write(values)
    expect(await matrix.read()).toEqual(values)
    await expect(matrix.write({ ...values, blockSize: 64 })).rejects.toThrow(ShapeError)
    await expect(matrix.write({ ...values, blocks: values.blocks.subarray(1) })).rejects.toThrow(ShapeError)
  })
})

describe('a quantised matrix', () => {
  it.each([
    [{ bits: 3, blockSize: 32 }, /bits are 3; expected 4 or 8/],
    [{ bits: 4, blockSize: 24 }, /expected 16 to 256 weights per block, a power of two/],
    [{ bits: 4, blockSize: 8 }, /expected 16 to 256/],
    [{ bits: 8, blockSize: 512 }, /expected 16 to 256/],
    [{ bits: 8, blockSize: Number.NaN }, /blocks of NaN/],
    [{ bits: 8, blockSize: 16.5 }, /blocks of 16\.5/],
  ])('refuses %j', (format, message) => {
    expect(() => new QuantizedMatrix(4, 96, format as never)).toThrow(OptionError)
    expect(() => new QuantizedMatrix(4, 96, format as never)).toThrow(message)
  })

  it('that was never written is refused, and so are first values', async () => {
    const layer = Object.assign(new Linear(32, 2), { weight: new QuantizedMatrix(2, 32, formats[1]) })
    await expect(layer.weight.read()).rejects.toThrow(GraphError)
    await expect(initialize(layer, createRng(1))).rejects.toThrow(/no first values; load them, or quantise/)
  })
})

describe('a product with quantised weights refuses', () => {
  const blocks = input('blocks', 'uint8', [5, 2, 16])
  const scales = input('scales', 'float32', [5, 2])
  const rows = input('x', 'float32', ['N', 61])
  const cases: Record<string, [TensorOperand, TensorOperand, TensorOperand, RegExp]> = {
    'another width': [
      input('x', 'float32', ['N', 32]),
      blocks,
      scales,
      /x \[N, 32\] for \[5, 2\] blocks of 32 weights; expected rows of 64 values, or fewer/,
    ],
    'a vector': [input('x', 'float32', [61]), blocks, scales, /expected x of rank ≥ 2/],
    integers: [input('x', 'int32', ['N', 61]), blocks, scales, /x is int32/],
    'two float types': [input('x', 'float64', ['N', 61]), blocks, scales, /x is float64, scales are float32/],
    'other codes': [rows, input('b', 'int32', [5, 2, 16]), scales, /blocks are int32; expected uint8/],
    'scales that are integers': [rows, blocks, input('s', 'int64', [5, 2]), /scales are int64/],
    'too few scales': [rows, blocks, input('s', 'float32', [5, 1]), /one scale per block/],
    'a named number of rows': [rows, input('b', 'uint8', ['R', 2, 16]), input('s', 'float32', ['R', 2]), /for \[R, 2\] blocks/],
    'blocks of 20 weights': [rows, input('b', 'uint8', [5, 2, 10]), scales, /a power of two/],
  }
  it.each(Object.entries(cases))('%s', (_name, [x, blocks, scales, message]) => {
    expect(() => matmulQuantized(x, blocks, scales, { bits: 4 })).toThrow(message)
    expect(() => matmulQuantized(x, blocks, scales, { bits: 4 })).toThrow(/^matmulQuantized\(/)
  })

  it('other bits', () => {
    expect(() => matmulQuantized(rows, blocks, scales, { bits: 2 as never })).toThrow(OptionError)
    expect(() => matmulQuantized(constant([1], [1, 1], 'float32'), blocks, scales, {} as never)).toThrow(/bits are undefined/)
  })
})
