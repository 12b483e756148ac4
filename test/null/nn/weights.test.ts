import { describe, expect, it } from 'vitest'
import type { DType, HostTensor, TypedArray } from '../../../src/base/dtype.ts'
import { MismatchError } from '../../../src/base/errors.ts'
import type { Placement } from '../../../src/base/placement.ts'
import { Linear, loadWeights, namedVariables, readVariables, zeros } from '../../../src/nn/index.ts'
import { variable } from '../../../src/tensor/index.ts'

class Model {
  readonly up = new Linear(2, 3, { bias: zeros })
  readonly steps = variable({ shape: [2], dtype: 'int32' })
}

const tensor = (dtype: DType, shape: number[], data: TypedArray): HostTensor => ({ dtype, shape, data })
const fresh = (): Record<string, HostTensor> => ({
  'up.weight': tensor('float32', [3, 2], Float32Array.of(1, 2, 3, 4, 5, 6)),
  'up.bias': tensor('float32', [3], Float32Array.of(7, 8, 9)),
  steps: tensor('int32', [2], Int32Array.of(-1, 5)),
})

async function modelWithOnes(): Promise<Model> {
  const model = new Model()
  await loadWeights(
    model,
    new Map([
      ['up.weight', tensor('float32', [3, 2], new Float32Array(6).fill(1))],
      ['up.bias', tensor('float32', [3], new Float32Array(3).fill(1))],
      ['steps', tensor('int32', [2], new Int32Array(2).fill(1))],
    ]),
  )
  return model
}

const mapOf = (tensors: Readonly<Record<string, HostTensor>>) => new Map(Object.entries(tensors))

describe('loadWeights', () => {
  it('gives every variable its tensor, by name', async () => {
    const model = new Model()
    await loadWeights(model, mapOf(fresh()))
    expect(Object.fromEntries(await readVariables(namedVariables(model)))).toEqual(fresh())
  })

  it('renames keys, and leaves out those that have no name', async () => {
    const model = new Model()
    const foreign = Object.entries(fresh()).map(([name, value]) => [`net.${name}`, value] as const)
    const extra = ['net.rotary.inv_freq', tensor('float32', [1], Float32Array.of(0))] as const
    const rename = (key: string) => (key.endsWith('inv_freq') ? [] : [{ name: key.replace('net.', '') }])
    await loadWeights(model, new Map([...foreign, extra]), rename)
    expect(Object.fromEntries(await readVariables(namedVariables(model)))).toEqual(fresh())
  })

  it('cuts, turns, orders and shifts what a tensor holds for several variables', async () => {
    const model = new Model()
    // Columns 1–3 of the transposed are the weight's rows, last first; the bias is shifted.
    const fused = tensor('float32', [2, 5], Float32Array.of(0, 5, 3, 1, 0, 0, 6, 4, 2, 0))
    const places: Readonly<Record<string, readonly Placement[]>> = {
      fused: [{ name: 'up.weight', transpose: true, rows: [1, 4], order: Uint32Array.of(2, 1, 0) }],
      raised: [{ name: 'up.bias', add: -1 }],
    }
    const { steps } = fresh()
    const raised = tensor('bfloat16', [3], Uint16Array.of(0x4100, 0x4110, 0x4120)) // 8, 9, 10
    await loadWeights(model, mapOf({ fused, raised, steps: steps! }), (key) => places[key] ?? [{ name: key }])
    expect(Object.fromEntries(await readVariables(namedVariables(model)))).toEqual(fresh())
  })

  it.each([
    ['rows behind the last', { name: 'up.bias', rows: [1, 4] }],
    ['an order of other length', { name: 'up.bias', order: Uint32Array.of(0, 1) }],
    ['a vector to transpose', { name: 'up.bias', transpose: true }],
  ] satisfies [string, Placement][])('refuses to place %s', async (_name, placement) => {
    const attempt = loadWeights(new Model(), mapOf(fresh()), (name) => [name === 'up.bias' ? placement : { name }])
    await expect(attempt).rejects.toThrow(MismatchError)
    await expect(attempt).rejects.toThrow(/for up\.bias has shape \[3\]/)
  })

  it('widens 16-bit floats exactly', async () => {
    const model = new Model()
    // 1, −2, 0.5, largest, smallest, −0: sign, exponent and fraction bits of IEEE half precision; and the upper halves of float32.
    const half = Uint16Array.of(0x3c00, 0xc000, 0x3800, 0x7bff, 0x0001, 0x8000)
    const brain = Uint16Array.of(0x3f80, 0xc000, 0x3eaa)
    await loadWeights(
      model,
      mapOf({ ...fresh(), 'up.weight': tensor('float16', [3, 2], half), 'up.bias': tensor('bfloat16', [3], brain) }),
    )
    expect(await model.up.weight.read()).toEqual(Float32Array.of(1, -2, 0.5, 65504, 2 ** -24, -0))
    expect(await model.up.bias!.read()).toEqual(Float32Array.of(1, -2, 0.33203125))
  })

  const { 'up.bias': bias, ...withoutBias } = fresh()
  const broken: [string, Record<string, HostTensor>, RegExp][] = [
    ['a missing tensor', withoutBias, /lacks up\.bias/],
    ['an unexpected tensor', { ...fresh(), other: bias! }, /unknown other/],
    [
      'a tensor of another shape',
      { ...fresh(), 'up.weight': tensor('float32', [2, 3], new Float32Array(6)) },
      /up\.weight is float32 \[2, 3\]/,
    ],
    [
      'a tensor of another rank',
      { ...fresh(), 'up.bias': tensor('float32', [3, 1], new Float32Array(3)) },
      /up\.bias is float32 \[3, 1\]/,
    ],
    ['a tensor of another dtype', { ...fresh(), 'up.bias': tensor('float64', [3], new Float64Array(3)) }, /up\.bias is float64/],
    ['halves for integers', { ...fresh(), steps: tensor('float16', [2], new Uint16Array(2)) }, /steps is float16/],
    ['fewer values than the shape says', { ...fresh(), steps: tensor('int32', [2], new Int32Array(1)) }, /steps has 1 values/],
    ['values of another type than the dtype says', { ...fresh(), steps: tensor('int32', [2], new Float32Array(2)) }, /steps has/],
    ['nothing', {}, /lacks up\.weight, up\.bias, steps/],
  ]

  it.each(broken)('refuses %s, and changes nothing', async (_name, tensors, message) => {
    const model = await modelWithOnes()
    const before = await readVariables(namedVariables(model))
    const attempt = loadWeights(model, mapOf(tensors))
    await expect(attempt).rejects.toThrow(MismatchError)
    await expect(attempt).rejects.toThrow(message)
    expect(await readVariables(namedVariables(model))).toEqual(before)
  })

  it('refuses two tensors of one name, and changes nothing', async () => {
    const model = await modelWithOnes()
    const doubled = mapOf({ ...fresh(), 'old.bias': bias! })
    const attempt = loadWeights(model, doubled, (key) => [{ name: key.replace('old.', 'up.') }])
    await expect(attempt).rejects.toThrow(/two tensors are named up\.bias/)
    expect(await model.up.weight.read()).toEqual(new Float32Array(6).fill(1))
  })

  it('lists a few of many problems', async () => {
    const many = Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`extra${i}`, bias!]))
    await expect(loadWeights(new Model(), mapOf({ ...fresh(), ...many }))).rejects.toThrow(/extra7 and 12 more/)
  })
})
