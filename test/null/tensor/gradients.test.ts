import { describe, expect, it } from 'vitest'
import { isFloat } from '../../../src/base/dtype.ts'
import { gradientRules, inferenceOnly, noGradient } from '../../../src/tensor/gradient-rules.ts'
import { add, input, interpret, jvp, type OpName, pullback, type Tensor, toReference } from '../../../src/tensor/index.ts'
import type { ReferenceValue } from '../../../src/tensor/tensor.ts'
import { centralDifferences, expectNear, noise } from './finite-differences.ts'
import { opSamples } from './samples/index.ts'
import { feed, type OpSample } from './samples/sample.ts'

const names = Object.keys(opSamples) as OpName[]
const differentiable = names.filter((name) => opSamples[name].gradient === 'checked')

/** A sample as a float64 graph over named inputs, with their values, and a cotangent of its result. */
function graphOf(sample: OpSample) {
  const { specs, values } = feed(sample, 'float64')
  const leaves = Object.fromEntries(Object.entries(specs).map(([name, { dtype, shape }]) => [name, input(name, dtype, shape)]))
  const result = sample.build(leaves, 'float64')
  const sizes = sample.sizes ?? {}
  const given = Object.fromEntries(Object.entries(values).map(([name, value]) => [name, toReference(value)]))
  const [value] = interpret([result], { inputs: given, sizes })
  const cotangent = input('cotangent', result.dtype, result.shape)
  const inputs: Record<string, ReferenceValue> = { ...given, cotangent: noise(sample.title, value!.shape) }
  const wrt = Object.keys(leaves).filter((name) => isFloat(leaves[name]!.dtype))
  return { result, cotangent, wrt, targets: wrt.map((name) => leaves[name]!), given: { inputs, sizes } }
}

function checkPullback(sample: OpSample): void {
  const { result, cotangent, wrt, targets, given } = graphOf(sample)
  const values = interpret(pullback(result, cotangent, targets), given)
  for (const [i, leaf] of wrt.entries()) {
    const what = `gradient of ${leaf}`
    expect(values[i]!.shape, what).toEqual(given.inputs[leaf]!.shape)
    expectNear(values[i]!.data, centralDifferences(result, given.inputs.cotangent!, given, { leaf }), what)
  }
}

/** Σ cotangent · jvp equals Σ tangent · pullback: the two modes are transposes of one another. */
function checkForwardMode(sample: OpSample): void {
  const { result, cotangent, wrt, targets, given } = graphOf(sample)
  const tangents = targets.map((target, i) => input(`tangent${i}`, target.dtype, target.shape))
  const directions = wrt.map((leaf) => noise(`tangent of ${leaf}`, given.inputs[leaf]!.shape))
  const inputs = { ...given.inputs, ...Object.fromEntries(directions.map((direction, i) => [`tangent${i}`, direction])) }
  const [forward, ...backward] = interpret([jvp(result, targets, tangents), ...pullback(result, cotangent, targets)], {
    ...given,
    inputs,
  })
  const dot = (a: Float64Array, b: Float64Array) => a.reduce((sum, x, i) => sum + x * b[i]!, 0)
  const transposed = backward.reduce((sum, gradient, i) => sum + dot(gradient.data, directions[i]!.data), 0)
  expectNear([dot(forward!.data, inputs.cotangent!.data)], [transposed], 'the two directional derivatives', 1e-9)
}

describe.each(differentiable)('%s', (name) => {
  const samples = opSamples[name].samples.filter(({ rounded }) => rounded !== true)
  it.each(samples)('pulls gradients back as finite differences do: $title', (sample) => checkPullback(sample))
  it.each(samples)('pushes tangents forward as the transpose: $title', (sample) => checkForwardMode(sample))
})

it('exactly the ops that are listed without a gradient have none', () => {
  const without = names.filter(
    (name) => gradientRules[name] === (noGradient as unknown) || gradientRules[name] === (inferenceOnly as unknown),
  )
  expect(without.toSorted()).toEqual(names.filter((name) => !differentiable.includes(name)).toSorted())
})

describe('second derivatives equal finite differences of first ones', () => {
  const chosen = [
    'tanh',
    'sigmoid',
    'softmax',
    'logSoftmax',
    'layerNorm',
    'rmsNorm',
    'matmul',
    'power',
    'divide',
    'gelu',
    'geluTanh',
    'gather',
    'slice',
    'max',
    'customGradient',
  ] as const
  it.each(chosen)('%s', (name) => {
    for (const sample of opSamples[name].samples.filter(({ rounded }) => rounded !== true).slice(0, 6)) checkSecond(sample)
  })
})

/** d/dx of Σ direction · pullback(result), for all operands at once. */
function checkSecond(sample: OpSample): void {
  const { result, cotangent, wrt, targets, given } = graphOf(sample)
  const first = pullback(result, cotangent, targets)
  const directions = targets.map((target, i) => input(`direction${i}`, target.dtype, target.shape))
  const noises = wrt.map((leaf) => noise(`direction of ${leaf}`, given.inputs[leaf]!.shape))
  const all = { ...given, inputs: { ...given.inputs, ...Object.fromEntries(noises.map((value, i) => [`direction${i}`, value])) } }
  const perFirst = first.map((gradient, i) => pullback(gradient, directions[i]!, targets))
  const second = targets.map((_, i) => perFirst.map((grads) => grads[i]!).reduce((a: Tensor, b: Tensor) => add(a, b)))
  const values = interpret(second, all)
  for (const [i, leaf] of wrt.entries()) {
    const expected = first.map((gradient, j) => centralDifferences(gradient, noises[j]!, all, { leaf }))
    const total = expected[0]!.map((_, element) => expected.reduce((sum, part) => sum + part[element]!, 0))
    expectNear(values[i]!.data, total, `${sample.title}: second derivative by ${leaf}`, 2e-6)
  }
}
