import { describe, expect, it } from 'vitest'
import { DataError, OptionError } from '../../../../src/base/errors.ts'
import { everything } from '../../../../src/base/visibility.ts'
import { combine } from '../../../../src/decode/index.ts'
import { blocks, type Order, raster, reverseRaster } from '../../../../src/orders/index.ts'
import { FlowStack, type FlowStackOptions } from '../../../../src/systems/image/starflow.ts'
import { extrapolate, guideAffine } from '../../../../src/systems/image-engines/flow/guide-affine.ts'
import { input, interpret, type LeafValues, scalar } from '../../../../src/tensor/index.ts'
import { randomVariables } from '../../nn/oracle.ts'
import { noise } from '../../tensor/finite-differences.ts'

/** Four slots of 2 × 2 pixels: a picture of 4 × 4. */
const tiny: FlowStackOptions = {
  layout: { parts: [{ shape: [2, 2] }] },
  dimension: 4,
  width: 8,
  heads: 2,
  layers: [1, 1],
  scale: 'softplus',
  positions: 'learned',
  classes: 3,
}

const size = 16

/** A flow with random weights: z and log |det| of one sample as functions of it. */
function traced(options: Partial<FlowStackOptions> = {}) {
  const flow = new FlowStack({ ...tiny, ...options })
  const { variables } = randomVariables(flow)
  const [values, labels] = [input('values', 'float32', [1, flow.slots, flow.dimension]), input('labels', 'int32', [1])]
  const { z, logDeterminant } = flow.forward(values, labels)
  const leaves = (data: Float64Array, label = 1): LeafValues => ({
    inputs: { values: { shape: [1, flow.slots, flow.dimension], data }, labels: { shape: [1], data: Float64Array.of(label) } },
    variables,
  })
  const run = (data: Float64Array, label = 1) => {
    const [outcome, determinant] = interpret([z, logDeterminant], leaves(data, label))
    return { z: outcome!.data, logDeterminant: determinant!.data[0]! }
  }
  return { flow, run }
}

/** log |det| by Gaussian elimination with row exchanges. */
function logAbsDeterminant(matrix: readonly Float64Array[]): number {
  const rows = matrix.map((row) => Float64Array.from(row))
  let total = 0
  for (let column = 0; column < rows.length; column++) {
    const pivot = rows.slice(column).reduce((best, row) => (Math.abs(row[column]!) > Math.abs(best[column]!) ? row : best))
    const at = rows.indexOf(pivot)
    ;[rows[column], rows[at]] = [rows[at]!, rows[column]!]
    total += Math.log(Math.abs(pivot[column]!))
    for (const row of rows.slice(column + 1)) {
      const factor = row[column]! / pivot[column]!
      for (let i = column; i < row.length; i++) row[i]! -= factor * pivot[i]!
    }
  }
  return total
}

/** Row i: dz/dx of number i of x, by central differences. */
function jacobian(run: (data: Float64Array) => { readonly z: Float64Array }, at: Float64Array): Float64Array[] {
  const step = 1e-5
  return [...at.keys()].map((i) => {
    const [up, down] = [run(at.with(i, at[i]! + step)).z, run(at.with(i, at[i]! - step)).z]
    return up.map((value, j) => (value - down[j]!) / (2 * step))
  })
}

describe.each<[string, Partial<FlowStackOptions>]>([
  ['softplus scales, learned positions', {}],
  ['exp scales, rotary positions', { scale: 'exp', positions: 'rotary' }],
  ['all blocks conditioned, of different depth', { conditioned: 'all', layers: [2, 1, 1] }],
])('a flow with %s', (_name, options) => {
  const { flow, run } = traced(options)
  const { data: x } = noise('picture', [size]) as { data: Float64Array }

  it('has the log-determinant of its numeric Jacobian', () => {
    const { logDeterminant } = run(x)
    expect(Math.abs(logDeterminant)).toBeGreaterThan(0.01)
    expect(Math.abs(logAbsDeterminant(jacobian(run, x)) - logDeterminant)).toBeLessThan(1e-6)
  })

  it('is triangular in the order of each block', () => {
    for (const block of flow.blocks) {
      const values = input('values', 'float32', [1, 4, 4])
      const { variables } = randomVariables(block)
      const { z } = block.forward(values, input('labels', 'int32', [1]))
      const labels = { shape: [1], data: Float64Array.of(0) }
      const single = (data: Float64Array) => ({
        z: interpret([z], { inputs: { values: { shape: [1, 4, 4], data }, labels }, variables })[0]!.data,
      })
      const rank = (value: number) => block.targets.indexOf(value)
      for (const [i, row] of jacobian(single, x).entries())
        for (const [j, slope] of row.entries()) {
          const [from, to] = [rank(Math.floor(i / 4)), rank(Math.floor(j / 4))]
          if (to < from || (to === from && i !== j)) expect(Math.abs(slope), `z ${j} of x ${i}`).toBeLessThan(1e-9)
        }
    }
  })

  it('knows its class, and that there is none', () => {
    const all = [0, 1, 2, 3].map((label) => run(x, label).z.join())
    expect(new Set(all).size).toBe(4)
  })
})

it('starts as the identity', () => {
  const flow = new FlowStack(tiny)
  const zeros = new Map([...randomVariables(flow).variables].map(([variable, value]) => [variable, value]))
  for (const block of flow.blocks)
    for (const variable of [block.head.output.weight, block.head.output.bias!] as const) {
      const { shape, data } = zeros.get(variable as never)!
      zeros.set(variable as never, { shape, data: data.map(() => 0) })
    }
  const { z, logDeterminant } = flow.forward(input('values', 'float32', [1, 4, 4]), input('labels', 'int32', [1]))
  const values = noise('picture', [1, 4, 4])
  const inputs = { values, labels: { shape: [1], data: Float64Array.of(3) } }
  const [outcome, determinant] = interpret([z, logDeterminant], { inputs, variables: zeros })
  for (const [i, value] of outcome!.data.entries()) expect(Math.abs(value - values.data[i]!)).toBeLessThan(1e-12)
  expect(Math.abs(determinant!.data[0]!)).toBeLessThan(1e-12)
})

it('without classes ignores labels', () => {
  const { run } = traced({ classes: 0 })
  const { data: x } = noise('picture', [size]) as { data: Float64Array }
  expect(run(x, 7).z).toEqual(run(x, 0).z)
})

describe('flows that are none are refused', () => {
  const seeing: Order = { name: 'seeing', plan: (layout) => ({ ...raster().plan(layout), visibility: everything }) }
  const fedItself: Order = {
    name: 'fed itself',
    plan: (layout) => {
      const plan = raster().plan(layout)
      return { ...plan, source: plan.target }
    },
  }
  it.each([
    ['slots that see later ones', { orders: [seeing] }, DataError],
    ['slots that are fed what they predict', { orders: [raster(), fedItself] }, DataError],
    ['slots that predict several values at once', { orders: [blocks(2)] }, OptionError],
    ['no blocks', { layers: [] }, OptionError],
    ['no orders', { orders: [] }, OptionError],
    ['blocks without layers', { layers: [1, 0] }, OptionError],
    ['heads that do not divide the width', { heads: 3 }, OptionError],
  ])('%s', (_name, options: Partial<FlowStackOptions>, error) => {
    expect(() => new FlowStack({ ...tiny, ...options })).toThrow(error)
  })

  it('but not raster order alone', () => {
    expect(new FlowStack({ ...tiny, orders: [reverseRaster()] }).blocks.map(({ targets }) => [...targets])).toEqual([
      [3, 2, 1, 0],
      [3, 2, 1, 0],
    ])
  })
})

describe('guided affine maps', () => {
  const shape = [1, 1, 1]
  const number = (name: string) => input(name, 'float32', shape)
  const guided = guideAffine(
    { mean: number('mc'), logScale: number('lc') },
    { mean: number('mu'), logScale: number('lu') },
    number('w'),
  )
  const guide = (mc: number, sc: number, mu: number, su: number, w: number) => {
    const all = { mc, lc: Math.log(sc), mu, lu: Math.log(su), w }
    const inputs = Object.fromEntries(Object.entries(all).map(([name, x]) => [name, { shape, data: Float64Array.of(x) }]))
    const [mean, logScale] = interpret([guided.mean, guided.logScale], { inputs })
    return { mean: mean!.data[0]!, scale: Math.exp(logScale!.data[0]!) }
  }

  it('are the conditional one at w = 0', () => {
    const { mean, scale } = guide(0.3, 0.7, -2, 0.9, 0)
    expect(mean).toBeCloseTo(0.3, 12)
    expect(scale).toBeCloseTo(0.7, 12)
  })

  it('are the Gaussian proportional to conditional^(1+w) / unconditional^w where that is one', () => {
    const [mc, sc, mu, su, w] = [0.4, 0.5, -0.3, 0.8, 2.5]
    const precision = (1 + w) / sc ** 2 - w / su ** 2
    const { mean, scale } = guide(mc, sc, mu, su, w)
    expect(scale ** 2).toBeCloseTo(1 / precision, 12)
    expect(mean).toBeCloseTo(((1 + w) * (mc / sc ** 2) - w * (mu / su ** 2)) / precision, 12)
  })

  it('are what the host makes of two arms', () => {
    for (const [mc, sc, mu, su, w] of [
      [0.4, 0.5, -0.3, 0.8, 2.5],
      [-1, 0.9, 0.2, 0.3, 7],
    ] as const) {
      const arm = (mean: number, scale: number) => ({ mean: Float32Array.of(mean), logScale: Float32Array.of(Math.log(scale)) })
      const expected = combine(arm(mc, sc), arm(mu, su), 1 + w, 'affine')
      const { mean, scale } = guide(mc, sc, mu, su, w)
      expect(mean).toBeCloseTo(expected.mean[0]!, 5)
      expect(Math.log(scale)).toBeCloseTo(expected.logScale[0]!, 5)
    }
  })

  it('stay finite at any weight, with narrower unconditional scales too', () => {
    for (const w of [0, 1, 10, 1e4])
      for (const su of [1e-3, 0.5, 0.500001, 50]) {
        const { mean, scale } = guide(0.4, 0.5, -0.3, su, w)
        expect(Number.isFinite(mean)).toBe(true)
        expect(scale).toBeGreaterThan(0)
        expect(scale).toBeLessThanOrEqual(0.5 + 1e-12)
      }
    // Extrapolated scales do not.
    const one = scalar(1)
    const [linear] = interpret(
      [extrapolate({ mean: one, logScale: scalar(0.5) }, { mean: one, logScale: one }, scalar(-1)).logScale],
      { inputs: {} },
    )
    expect(linear!.data[0]).toBe(1)
    // Of equal scale: μc + w·(μc − μu), as everywhere else.
    expect(guide(0.4, 0.5, -0.3, 0.2, 3).mean).toBeCloseTo(0.4 + 3 * 0.7, 10)
  })
})
