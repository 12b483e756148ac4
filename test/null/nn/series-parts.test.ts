import { describe, expect, it } from 'vitest'
import { OptionError } from '../../../src/base/errors.ts'
import { Gate, MixerLayer, type Module, PatchEmbedding } from '../../../src/nn/index.ts'
import { input, interpret, multiply, type Tensor } from '../../../src/tensor/index.ts'
import type { ReferenceValue } from '../../../src/tensor/tensor.ts'
import { expectNear, noise } from '../tensor/finite-differences.ts'
import { checkLayerGradients } from './check-gradients.ts'
import { addRows, layerNormRow, project, randomVariables, rowsOf } from './oracle.ts'

/** A layer's result by random weights, and these by name. */
function evaluated(
  layer: Module,
  inputs: Readonly<Record<string, ReferenceValue>>,
  forward: (given: Readonly<Record<string, Tensor>>) => Tensor,
) {
  const { variables, byName } = randomVariables(layer)
  const given = Object.fromEntries(Object.entries(inputs).map(([name, { shape }]) => [name, input(name, 'float32', shape)]))
  const [result] = interpret([forward(given)], { inputs, variables })
  return { result: result!, byName }
}

const sigmoidOf = (x: number) => 1 / (1 + Math.exp(-x))

describe('a gate', () => {
  it('mixes two states by a share for each number', () => {
    const inputs = { a: noise('a', [1, 4, 3]), b: noise('b', [1, 4, 3]) }
    const gate = new Gate(3)
    const { result, byName } = evaluated(gate, inputs, ({ a, b }) => gate.forward(a!, b!))
    const [a, b] = [rowsOf(inputs.a, 0), rowsOf(inputs.b, 0)]
    const bias = byName.get('first.bias')!.data
    const open = addRows(project(a, rowsOf(byName.get('first.weight')!)), project(b, rowsOf(byName.get('second.weight')!)))
    const expected = a.flatMap((row, i) =>
      row.map((value, j) => {
        const share = sigmoidOf(open[i]![j]! + bias[j]!)
        return share * value + (1 - share) * b[i]![j]!
      }),
    )
    expectNear(result.data, expected, 'gated', 1e-9)
  })

  it('has the gradients of central differences', () => {
    const gate = new Gate(3)
    checkLayerGradients(gate, (x) => gate.forward(x, multiply(x, 0.5)), [2, 2, 3])
  })
})

describe('a layer around a mixer', () => {
  /** A mixer and an MLP that can be told apart by hand. */
  const parts = { mixer: { forward: (x: Tensor) => multiply(x, x) }, mlp: { forward: (x: Tensor) => multiply(x, 3) } } as never
  const x = noise('x', [1, 4, 5])
  const mixed = (row: readonly number[]) => row.map((value) => value * value)
  const tripled = (row: readonly number[]) => row.map((value) => 3 * value)
  const sum = (a: readonly number[], b: readonly number[]) => a.map((value, i) => value + b[i]!)

  it.each([
    [false, 'norms sums'],
    [true, 'norms what is added'],
  ])('prenorm %s: %s', (prenorm) => {
    const layer = new MixerLayer(5, { ...(parts as object), prenorm } as never)
    const { result, byName } = evaluated(layer, { x }, (given) => layer.forward(given.x!))
    const norm = (name: string) => (row: readonly number[]) =>
      layerNormRow(row, [...byName.get(`${name}.weight`)!.data], [...byName.get(`${name}.bias`)!.data], 1e-5)
    const [first, second] = [norm('mixer_norm'), norm('mlp_norm')]
    const expected = rowsOf(x, 0).flatMap((row) => {
      if (prenorm) {
        const inner = sum(row, mixed(first(row)))
        return sum(inner, tripled(second(inner)))
      }
      const inner = first(sum(row, mixed(row)))
      return second(sum(inner, tripled(inner)))
    })
    expectNear(result.data, expected, 'layer', 1e-9)
  })
})

describe('patches', () => {
  it.each([
    [4, 4, 12],
    [4, 2, 12],
    [3, 2, 8],
    [5, 3, 5],
    [1, 1, 3],
  ])('of %d values every %d of %d are stretches of one series, the last value repeated', (patch, stride, length) => {
    const x = noise('x', [2, length, 3])
    const layer = new PatchEmbedding(4, { patch, stride, length })
    const { result, byName } = evaluated(layer, { x }, (given) => layer.forward(given.x!))
    // PatchTST pads by one stride of the last value and cuts all whole patches from that.
    const count = Math.floor((length + stride - patch) / stride) + 1
    expect(layer.count).toBe(count)
    expect(result.shape).toEqual([6, count, 4])
    const positions = rowsOf(byName.get('positions')!)
    const bias = [...byName.get('projection.bias')!.data]
    const expected = Array.from({ length: 6 }, (_, row) => {
      const [sample, series] = [Math.floor(row / 3), row % 3]
      const padded = Array.from(
        { length: length + stride },
        (_, t) => x.data[(sample * length + Math.min(t, length - 1)) * 3 + series]!,
      )
      const patches = Array.from({ length: count }, (_, i) => padded.slice(i * stride, i * stride + patch))
      return project(patches, rowsOf(byName.get('projection.weight')!)).flatMap((said, i) =>
        said.map((value, j) => value + bias[j]! + positions[i]![j]!),
      )
    })
    expectNear(result.data, expected.flat(), 'patches', 1e-9)
  })

  it('are refused where they pass values over or do not fit', () => {
    expect(() => new PatchEmbedding(4, { patch: 5, stride: 2, length: 4 })).toThrow(OptionError)
    expect(() => new PatchEmbedding(4, { patch: 2, stride: 3, length: 9 })).toThrow(OptionError)
  })

  it('have the gradients of central differences', () => {
    const layer = new PatchEmbedding(3, { patch: 3, stride: 2, length: 8 })
    checkLayerGradients(layer, (x) => layer.forward(x), [2, 8, 2])
  })
})
