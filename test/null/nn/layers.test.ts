import { describe, expect, it } from 'vitest'
import { OptionError } from '../../../src/base/errors.ts'
import { createRng } from '../../../src/base/rng.ts'
import {
  Embedding,
  gatedMlp,
  gelu,
  Linear,
  layerNorm,
  type Module,
  ones,
  plainMlp,
  type RmsNormOptions,
  rmsNorm,
  swiglu,
  zeros,
} from '../../../src/nn/index.ts'
import { geluTanh, input, interpret, relu, type Tensor, type Variable } from '../../../src/tensor/index.ts'
import type { ReferenceValue } from '../../../src/tensor/tensor.ts'
import { expectNear, noise } from '../tensor/finite-differences.ts'
import { dot, erfOf, geluTanhOf, layerNormRow, project, type Rows, randomVariables, rmsNormRow, rowsOf, siluOf } from './oracle.ts'

const x = noise('x', [2, 3, 6])
const rows = [0, 1].flatMap((row) => rowsOf(x, row))

/** Runs a layer on x; random variables. */
function run(layer: Module & { forward(x: Tensor): Tensor }) {
  const { variables, byName } = randomVariables(layer)
  const [output] = interpret([layer.forward(input('x', 'float32', x.shape))], { inputs: { x }, variables })
  return { output: output!, of: (name: string): ReferenceValue => byName.get(name)!, names: [...byName.keys()] }
}

describe('norms', () => {
  it.each([
    ['defaults', {}, 1e-5, true],
    ['no bias', { bias: false }, 1e-5, false],
    ['a large epsilon', { epsilon: 0.5 }, 0.5, true],
  ])('layerNorm: %s', (_name, options, epsilon, hasBias) => {
    const { output, of, names } = run(layerNorm(options)(6))
    expect(names).toEqual(hasBias ? ['weight', 'bias'] : ['weight'])
    const bias = hasBias ? [...of('bias').data] : new Array<number>(6).fill(0)
    const expected = rows.map((row) => layerNormRow(row, [...of('weight').data], bias, epsilon))
    expectNear(output.data, expected.flat(), 'normed', 1e-7)
  })

  it.each([
    ['defaults', {}, 1e-5],
    ['a large epsilon', { epsilon: 0.5 }, 0.5],
    ['weights that are kept without their 1', { offset: 1 }, 1e-5],
  ])('rmsNorm: %s', (_name, options: RmsNormOptions, epsilon) => {
    const { output, of, names } = run(rmsNorm(options)(6))
    expect(names).toEqual(['weight'])
    const scales = [...of('weight').data].map((weight) => weight + (options.offset ?? 0))
    const expected = rows.map((row) => rmsNormRow(row, scales, epsilon))
    expectNear(output.data, expected.flat(), 'normed', 1e-7)
  })

  it.each([-1, Number.NaN, Number.POSITIVE_INFINITY])('refuse epsilon %d', (epsilon) => {
    expect(() => layerNorm({ epsilon })).toThrow(OptionError)
    expect(() => rmsNorm({ epsilon })).toThrow(OptionError)
    if (epsilon !== -1) expect(() => rmsNorm({ offset: epsilon })).toThrow(OptionError)
  })

  it('refuse unknown options', () => {
    expect(() => layerNorm({ eps: 1e-6 } as object)).toThrow(/unknown layerNorm option 'eps'/)
    expect(() => rmsNorm({ bias: true } as object)).toThrow(/unknown rmsNorm option 'bias'/)
  })

  it('start as plain normalisation', () => {
    const layer = layerNorm()(6) as unknown as { weight: { initializer: unknown }; bias: { initializer: unknown } }
    expect([layer.weight.initializer, layer.bias.initializer]).toEqual([ones, zeros])
    for (const [offset, first] of [
      [0, 1],
      [1, 0],
    ]) {
      const { weight } = rmsNorm({ offset: offset! })(2) as unknown as { weight: Variable }
      expect([...(weight.initializer!([2], createRng(1)) as Float32Array)]).toEqual([first, first])
    }
  })
})

describe('multi-layer perceptrons', () => {
  const settings = { width: 6, linear: { bias: zeros }, output: { bias: zeros } }
  const addBias = (of: Rows, { data }: ReferenceValue) => of.map((row) => row.map((value, i) => value + data[i]!))

  it('gelu: down(x·Φ(x)) of up', () => {
    const { output, of, names } = run(gelu(5)(settings))
    expect(names).toEqual(['up_proj.weight', 'up_proj.bias', 'down_proj.weight', 'down_proj.bias'])
    const up = addBias(project(rows, rowsOf(of('up_proj.weight'))), of('up_proj.bias'))
    const active = up.map((row) => row.map((value) => (value / 2) * (1 + erfOf(value / Math.SQRT2))))
    const expected = addBias(project(active, rowsOf(of('down_proj.weight'))), of('down_proj.bias'))
    expectNear(output.data, expected.flat(), 'output', 1e-6)
  })

  it('swiglu: down(silu(gate)·up), without biases unless they are asked for', () => {
    const { output, of, names } = run(swiglu(5)({ width: 6, linear: {}, output: {} }))
    expect(names).toEqual(['gate_proj.weight', 'up_proj.weight', 'down_proj.weight'])
    const [gate, up] = [project(rows, rowsOf(of('gate_proj.weight'))), project(rows, rowsOf(of('up_proj.weight')))]
    const active = gate.map((row, i) => row.map((value, j) => siluOf(value) * up[i]![j]!))
    expectNear(output.data, project(active, rowsOf(of('down_proj.weight'))).flat(), 'output', 1e-6)
  })

  it('any activation, with biases of their own', () => {
    const plain = run(plainMlp(5, geluTanh, { bias: zeros })({ width: 6, linear: {}, output: {} }))
    const up = addBias(project(rows, rowsOf(plain.of('up_proj.weight'))), plain.of('up_proj.bias'))
    const active = up.map((row) => row.map(geluTanhOf))
    const expected = addBias(project(active, rowsOf(plain.of('down_proj.weight'))), plain.of('down_proj.bias'))
    expectNear(plain.output.data, expected.flat(), 'plain', 1e-6)
    const gated = run(gatedMlp(5, relu, { bias: zeros })({ width: 6, linear: {}, output: {} }))
    const part = (name: string) => addBias(project(rows, rowsOf(gated.of(`${name}.weight`))), gated.of(`${name}.bias`))
    const [gate, wide] = [part('gate_proj'), part('up_proj')]
    const open = gate.map((row, i) => row.map((value, j) => Math.max(value, 0) * wide[i]![j]!))
    const down = addBias(project(open, rowsOf(gated.of('down_proj.weight'))), gated.of('down_proj.bias'))
    expectNear(gated.output.data, down.flat(), 'gated', 1e-6)
  })

  it.each([0, -3, 1.5, Number.NaN])('refuse a middle of width %d', (hidden) => {
    expect(() => gelu(hidden)(settings)).toThrow(OptionError)
    expect(() => swiglu(hidden)(settings)).toThrow(OptionError)
  })
})

describe('Linear and Embedding', () => {
  it('x·Wᵀ + b over the last axis of any rank', () => {
    const { output, of } = run(new Linear(6, 4, { bias: zeros }))
    expect(output.shape).toEqual([2, 3, 4])
    const weight = rowsOf(of('weight'))
    expectNear(
      output.data,
      rows.flatMap((row) => weight.map((w, i) => dot(row, w) + of('bias').data[i]!)),
      'output',
      1e-12,
    )
  })

  it('rows of the table by id', () => {
    const embedding = new Embedding(5, 2)
    const { variables, byName } = randomVariables(embedding)
    const ids = { shape: [2, 2], data: Float64Array.of(4, 0, 0, 3) }
    const [output] = interpret([embedding.forward(input('ids', 'int32', ids.shape))], { inputs: { ids }, variables })
    const table = rowsOf(byName.get('weight')!)
    expect(output!.shape).toEqual([2, 2, 2])
    expect([...output!.data]).toEqual([4, 0, 0, 3].flatMap((id) => table[id]!))
  })

  it.each([0, -1, 0.5, Number.NaN])('refuse size %d', (size) => {
    expect(() => new Linear(size, 2)).toThrow(OptionError)
    expect(() => new Linear(2, size)).toThrow(OptionError)
    expect(() => new Embedding(size, 2)).toThrow(OptionError)
    expect(() => new Embedding(2, size)).toThrow(OptionError)
  })
})
