import { describe, expect, it } from 'vitest'
import { GraphError } from '../../../src/base/errors.ts'
import type { OnnxNode } from '../../../src/formats/onnx.ts'
import { emit } from '../../../src/tensor/emit.ts'
import {
  add,
  cast,
  constant,
  customGradient,
  exp,
  float32,
  float64,
  gradients,
  greater,
  type InputSpec,
  input,
  interpret,
  jvp,
  matmul,
  multiply,
  pullback,
  rematerialize,
  round,
  scalar,
  sin,
  stopGradient,
  sum,
  type Tensor,
  tanh,
  trace,
  variable,
  where,
} from '../../../src/tensor/index.ts'
import { expectNear, noise } from './finite-differences.ts'

const shape = [3, 4]
const x = input('x', 'float64', shape)
const inputs = { x: noise('x', shape) }
const weight = variable({ shape: [4, 4], dtype: 'float64', name: 'weight' })
const variables = new Map([[weight, noise('weight', [4, 4])]])
const value = (tensor: Tensor) => interpret([tensor], { inputs, variables })[0]!.data

/** The nodes that a traced program is emitted as, before any runtime has seen them. */
function emitted(
  specs: Readonly<Record<string, InputSpec>>,
  build: (inputs: Readonly<Record<string, Tensor>>) => Readonly<Record<string, Tensor>>,
): readonly OnnxNode[] {
  const traced = trace(specs, build)
  const feeds = new Map([...traced.inputs, ...traced.variables.map((each) => [each.name, each.tensor] as const)])
  return emit({ feeds, initializers: new Map(), results: traced.outputs, name: 'test' }).graph.nodes
}

const count = (nodes: readonly OnnxNode[], opType: string) => nodes.filter((node) => node.opType === opType).length

describe('stopGradient', () => {
  it('is a constant for differentiation', () => {
    const [gradient] = gradients(sum(multiply(x, stopGradient(x))), [x])
    expectNear(value(gradient!), inputs.x.data, 'd/dx Σ x·stop(x)')
  })

  it('leaves no node behind', () => {
    const nodes = emitted({ x: float32(3) }, ({ x }) => ({ y: exp(stopGradient(x!)) }))
    expect(nodes.map(({ opType }) => opType)).toEqual(['Exp'])
  })
})

describe('customGradient', () => {
  it('gives the gradient that it is told, and the value of the forward function', () => {
    const straightThrough = customGradient(
      [x],
      ([x]) => round(x!),
      (gradient) => [gradient],
    )
    const [gradient] = gradients(sum(multiply(straightThrough, 3)), [x])
    expectNear(value(gradient!), new Float64Array(12).fill(3), 'gradient')
    expectNear(value(straightThrough), value(round(x)), 'value')
  })

  it('hands result and operands to the backward function, also for second derivatives', () => {
    const ownExp = customGradient(
      [x],
      ([x]) => exp(x!),
      (gradient, result) => [multiply(gradient, result)],
    )
    const [first] = gradients(sum(ownExp), [x])
    const [second] = gradients(sum(first!), [x])
    expectNear(value(second!), value(exp(x)), 'second derivative of exp')
  })

  it('refuses to lose the gradient of what the forward function reads besides its operands', () => {
    const careless = customGradient(
      [x],
      ([x]) => matmul(x!, weight),
      (gradient) => [matmul(gradient, weight, { transposeB: true })],
    )
    expect(() => gradients(sum(careless), [weight])).toThrow(GraphError)
    expect(() => gradients(sum(careless), [weight])).toThrow(/transforms\.test\.ts:\d+:\d+: the forward function reads variable/)
    expect(gradients(sum(careless), [x])).toHaveLength(1)
  })

  it('lets the forward function read what needs no gradient', () => {
    const fixed = customGradient(
      [x],
      ([x]) => matmul(x!, stopGradient(weight)),
      (gradient) => [matmul(gradient, weight, { transposeB: true })],
    )
    expect(value(gradients(sum(fixed), [weight])[0]!)).toEqual(new Float64Array(16))
  })

  it.each([
    ['too few gradients', () => []],
    ['too many gradients', (gradient: Tensor) => [gradient, gradient]],
    ['a gradient of another shape', (gradient: Tensor) => [sum(gradient)]],
  ])('refuses %s', (_what, backward) => {
    const wrong = customGradient([x], ([x]) => exp(x!), backward)
    expect(() => gradients(sum(wrong), [x])).toThrow(GraphError)
    expect(() => gradients(sum(wrong), [x])).toThrow(
      /one gradient per operand: float64\[3, 4\], float64\[3, 4\]; give every operand/,
    )
  })
})

describe('rematerialize', () => {
  const block = ([x]: readonly Tensor[]) => sin(matmul(tanh(matmul(x!, weight)), weight))

  it('gives the same value and gradients, of operands and of variables that the function reads', () => {
    const [plain, again] = [block([x]), rematerialize(block, [x])]
    expectNear(value(again), value(plain), 'value')
    const [expected, actual] = [gradients(sum(plain), [x, weight]), gradients(sum(again), [x, weight])]
    for (const i of [0, 1]) expectNear(value(actual[i]!), value(expected[i]!), `gradient ${i}`, 1e-12)
  })

  it('nests, and composes with second derivatives', () => {
    const deep = (operands: readonly Tensor[]) => rematerialize(block, [rematerialize(block, operands)])
    const [plain, again] = [block([block([x])]), deep([x])]
    const second = (of: Tensor) => gradients(sum(sin(gradients(sum(of), [x])[0]!)), [weight])[0]!
    expectNear(value(second(again)), value(second(plain)), 'second derivative', 1e-9)
  })

  it('takes operands that are no floats', () => {
    const mask = input('mask', 'bool', shape)
    const ids = input('ids', 'int64', [3])
    const choose = ([x, mask]: readonly Tensor[]) => where(mask!, exp(x!), 0)
    const gradient = gradients(sum(rematerialize(choose, [x, mask, ids])), [x])[0]!
    const given = {
      inputs: { ...inputs, mask: { shape, data: Float64Array.from({ length: 12 }, (_, i) => i % 2) }, ids: noise('ids', [3]) },
    }
    const expected = gradients(sum(choose([x, mask])), [x])[0]!
    expectNear(interpret([gradient], given)[0]!.data, interpret([expected], given)[0]!.data, 'gradient')
  })

  it('refuses to lose the gradient of a tensor that the function reads but is not given', () => {
    const outer = exp(x)
    const y = input('y', 'float64', shape)
    const careless = rematerialize(([y]) => multiply(y!, outer), [y])
    expect(() => gradients(sum(careless), [x])).toThrow(GraphError)
  })

  it('is computed anew in the emitted graph, once per use, and is not merged with the first time', () => {
    const specs = { x: float64(3, 4) }
    const nodesOf = (wrap: (x: Tensor) => Tensor) =>
      emitted(specs, ({ x }) => {
        const loss = sum(wrap(wrap(x!)))
        const [dx, dw] = gradients(loss, [x!, weight])
        return { loss, dx: dx!, dw: dw! }
      })
    const [plain, again] = [nodesOf((x) => block([x])), nodesOf((x) => rematerialize(block, [x]))]
    expect([count(plain, 'Tanh'), count(again, 'Tanh')]).toEqual([2, 4])
    // The outermost sine's derivative does not need its value.
    expect([count(plain, 'Sin'), count(again, 'Sin')]).toEqual([2, 2])
  })
})

describe('jvp', () => {
  it('is the directional derivative', () => {
    const tangent = constant(Array.from(noise('t', shape).data), shape, 'float64')
    const moved = (step: number) => interpret([tanh(add(x, multiply(tangent, step)))], { inputs })[0]!.data
    const [ahead, behind] = [moved(1e-5), moved(-1e-5)]
    expectNear(
      value(jvp(tanh(x), [x], [tangent])),
      ahead.map((y, i) => (y - behind[i]!) / 2e-5),
      'jvp',
    )
  })

  it('is zero where nothing depends', () => {
    expect(value(jvp(exp(weight), [x], [x]))).toEqual(new Float64Array(16))
  })

  it('refuses tangents that do not belong', () => {
    expect(() => jvp(x, [x], [])).toThrow(GraphError)
    expect(() => jvp(x, [], [])).toThrow(GraphError)
    expect(() => jvp(exp(x), [x], [weight.tensor])).toThrow(/equal types/)
  })
})

describe('gradients', () => {
  it('refuses what is no scalar, or no float', () => {
    expect(() => gradients(x, [x])).toThrow(/gradients of float64\[3, 4\]; expected a scalar/)
    expect(() => gradients(scalar(1, 'int64'), [x])).toThrow(/no gradient for int64\[\]; expected floats/)
    expect(() => gradients(sum(x), [input('ids', 'int32', [2])])).toThrow(/no gradient for int32\[2\]/)
    expect(() => pullback(x, input('c', 'float64', [3]), [x])).toThrow(/cotangent float64\[3\] for a result float64\[3, 4\]/)
  })

  it('are zeros of the right type for what the loss does not depend on', () => {
    const y = input('y', 'float64', ['N', 2])
    const [gradient] = gradients(sum(x), [y])
    expect(interpret([gradient!], { inputs: { y: noise('y', [5, 2]) }, sizes: { N: 5 } })[0]).toEqual({
      shape: [5, 2],
      data: new Float64Array(10),
    })
  })

  it('do not pass integers or comparisons', () => {
    const steps = add(cast(cast(x, 'int32'), 'float64'), cast(greater(x, 0), 'float64'))
    expect(value(gradients(sum(add(steps, multiply(x, 2))), [x])[0]!)).toEqual(new Float64Array(12).fill(2))
  })

  it('add up over several uses, and of the loss itself are one', () => {
    const loss = sum(add(x, add(x, x)))
    const [dx, dloss] = gradients(loss, [x, loss])
    expect(value(dx!)).toEqual(new Float64Array(12).fill(3))
    expect(value(dloss!)).toEqual(Float64Array.of(1))
  })
})
