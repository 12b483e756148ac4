import { describe, expect, it } from 'vitest'
import { OptionError, ShapeError } from '../../../src/base/errors.ts'
import { createRng } from '../../../src/base/rng.ts'
import {
  autoCorrelationMixing,
  BidirectionalMamba,
  Companion,
  fanInUniform,
  HeadMixer,
  longConvolution,
  type Mixing,
  softmaxMixing,
  sparseMixing,
} from '../../../src/nn/index.ts'
import { input, interpret, type Tensor } from '../../../src/tensor/index.ts'
import { expectNear, noise } from '../tensor/finite-differences.ts'
import { checkLayerGradients } from './check-gradients.ts'
import { attendOneHead, project, type Rows, randomVariables, rowsOf } from './oracle.ts'

const [width, heads, headWidth] = [6, 2, 3]

/** Multi-head attention of one row of a batch, from its formula. */
function attention(of: ReturnType<typeof randomVariables>['byName'], x: Rows, memory: Rows, causal: boolean): number[] {
  const projected = (name: string, rows: Rows) =>
    project(rows, rowsOf(of.get(`${name}.weight`)!)).map((row) => row.map((value, i) => value + of.get(`${name}.bias`)!.data[i]!))
  const [q, k, v] = [projected('q_proj', x), projected('k_proj', memory), projected('v_proj', memory)]
  const part = (rows: Rows, head: number) => rows.map((row) => row.slice(head * headWidth, (head + 1) * headWidth))
  const mixed = Array.from({ length: heads }, (_, head) =>
    attendOneHead(part(q, head), part(k, head), part(v, head), (at, key) => !causal || key <= at, {
      scale: 1 / Math.sqrt(headWidth),
    }),
  )
  return projected(
    'o_proj',
    x.map((_, slot) => mixed.flatMap((head) => [...head[slot]!])),
  ).flat()
}

describe('HeadMixer', () => {
  it.each([
    ['of slots among themselves', 5, 5, false],
    ['causal', 5, 5, true],
    ['of another sequence', 4, 7, false],
  ])('is multi-head attention with biases: %s', (_name, slots, others, causal) => {
    const layer = new HeadMixer(width, { heads, mixing: softmaxMixing({ causal }) })
    const { variables, byName } = randomVariables(layer)
    const [x, memory] = [noise('x', [2, slots, width]), slots === others ? undefined : noise('memory', [2, others, width])]
    const own = input('x', 'float32', x.shape)
    const result = layer.forward(own, memory === undefined ? own : input('memory', 'float32', memory.shape))
    const inputs = memory === undefined ? { x } : { x, memory }
    const [output] = interpret([result], { inputs, variables })
    const expected = [0, 1].flatMap((row) => attention(byName, rowsOf(x, row), rowsOf(memory ?? x, row), causal))
    expectNear(output!.data, expected, 'mixed', 1e-6)
  })

  it('has the gradients of central differences', () => {
    const layer = new HeadMixer(width, { heads, mixing: softmaxMixing({ causal: true }) })
    checkLayerGradients(layer, (x) => layer.forward(x), [1, 4, width], { most: 6 })
  })

  it('refuses heads that do not divide the width, unknown options, and a causal view of other slots', () => {
    expect(() => new HeadMixer(6, { heads: 4, mixing: softmaxMixing() })).toThrow(OptionError)
    expect(() => new HeadMixer(6, { heads: 2, mixing: softmaxMixing(), bias: true } as never)).toThrow(/unknown HeadMixer option/)
    expect(() => softmaxMixing({ mask: true } as object)).toThrow(/unknown softmaxMixing option/)
    const layer = new HeadMixer(6, { heads: 2, mixing: softmaxMixing({ causal: true }) })
    expect(() => layer.forward(input('x', 'float32', [1, 3, 6]), input('y', 'float32', [1, 4, 6]))).toThrow(ShapeError)
  })

  it('starts from uniform weights and biases in ±1/√width', () => {
    const { weight, bias } = new HeadMixer(16, { heads: 2, mixing: softmaxMixing() }).q_proj as unknown as Record<
      'weight' | 'bias',
      { initializer: ReturnType<typeof fanInUniform>['weight'] }
    >
    for (const [{ initializer }, shape] of [
      [weight, [64, 16]],
      [bias, [1024]],
    ] as const) {
      const values = initializer(shape, createRng(3)) as Float32Array
      expect(Math.max(...values.map(Math.abs))).toBeLessThanOrEqual(0.25)
      expect(Math.max(...values)).toBeGreaterThan(0.24)
      expect(Math.abs(values.reduce((sum, value) => sum + value ** 2, 0) / 1024 - 0.0625 / 3)).toBeLessThan(0.002)
    }
    expect(() => fanInUniform(0)).toThrow(OptionError)
  })
})

describe('layers for series', () => {
  const x = (time: number) => input('x', 'float32', ['batch', time, 8])
  const mixer = (mixing: Mixing) => new HeadMixer(8, { heads: 2, mixing })
  const companion = () => new Companion({ heads: 8, state: 4 })

  it.each<[string, (time: number) => Tensor]>([
    ['softmax', (time) => mixer(softmaxMixing({ causal: true })).forward(x(time))],
    ['auto-correlation', (time) => mixer(autoCorrelationMixing({ factor: 2 })).forward(x(time))],
    ['sparse', (time) => mixer(sparseMixing({ factor: 2, seed: 1, causal: true })).forward(x(time))],
    ['Mamba', (time) => new BidirectionalMamba(8).forward(x(time))],
    ['long convolution', (time) => longConvolution(x(time), companion().kernel(time))],
  ])('%s takes batches of any size', (_name, forward) => {
    for (const time of [24, 288]) expect(forward(time).shape.map(String)).toEqual(['batch', String(time), '8'])
  })
})
