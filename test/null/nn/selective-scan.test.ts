import { describe, expect, it } from 'vitest'
import { OptionError, ShapeError } from '../../../src/base/errors.ts'
import { createRng } from '../../../src/base/rng.ts'
import { BidirectionalMamba, linearScan, Mamba, type Module, selectiveScan } from '../../../src/nn/index.ts'
import { constant, exp, gather, input, interpret, jvp, negate, type Tensor, type Variable } from '../../../src/tensor/index.ts'
import type { ReferenceValue } from '../../../src/tensor/tensor.ts'
import { centralDifferences, expectNear, noise } from '../tensor/finite-differences.ts'
import { checkLayerGradients } from './check-gradients.ts'
import { project, type Row, type Rows, randomVariables, rowsOf, siluOf } from './oracle.ts'

/** One sample of a selective scan, step by step. */
function naiveScan(o: { x: Rows; delta: Rows; a: Rows; b: Rows; c: Rows; d: Row }): Rows {
  const states = o.a.map((row) => row.map(() => 0))
  return o.x.map((row, t) =>
    row.map((value, channel) => {
      const step = o.delta[t]![channel]!
      return states[channel]!.reduce((sum, before, n) => {
        const next = Math.exp(step * o.a[channel]![n]!) * before + step * o.b[t]![n]! * value
        states[channel]![n] = next
        return sum + o.c[t]![n]! * next
      }, o.d[channel]! * value)
    }),
  )
}

const positive = (value: ReferenceValue): ReferenceValue => ({ ...value, data: value.data.map((x) => Math.log1p(Math.exp(x))) })

function operands(time: number) {
  const sized = { x: [2, time, 3], delta: [2, time, 3], a: [3, 2], b: [2, time, 2], c: [2, time, 2], d: [3] }
  const named = Object.fromEntries(Object.entries(sized).map(([name, shape]) => [name, noise(name, shape)]))
  const { x, delta, a, b, c, d } = named as Record<keyof typeof sized, ReferenceValue>
  return { x, delta: positive(delta), a: { ...a, data: positive(a).data.map((rate) => -rate) }, b, c, d }
}

const leaves = (values: ReturnType<typeof operands>) =>
  Object.fromEntries(Object.entries(values).map(([name, { shape }]) => [name, input(name, 'float32', shape)])) as Record<
    keyof typeof values,
    Tensor
  >

const flipped = (x: Tensor) => {
  const time = x.shape[1] as number
  return gather(
    x,
    constant(
      Int32Array.from({ length: time }, (_, t) => time - 1 - t),
      [time],
      'int32',
    ),
    1,
  )
}

describe('linearScan', () => {
  // Shorter than a chunk, whole chunks, chunks of chunks, and lengths between.
  it.each([1, 5, 16, 32, 61, 256, 300])('is the recurrence in both directions: %d steps', (time) => {
    const [decay, terms] = [noise('decay', [2, time, 2]), noise('terms', [2, time, 2])]
    const [a, b] = [input('a', 'float32', decay.shape), input('b', 'float32', decay.shape)]
    const [ahead, back] = interpret([linearScan(a, b), linearScan(a, b, { reverse: true })], { inputs: { a: decay, b: terms } })
    const expected = { ahead: new Array<number>(4 * time).fill(0), back: new Array<number>(4 * time).fill(0) }
    for (let flat = 0; flat < 4 * time; flat++) {
      const step = Math.floor(flat / 2) % time
      expected.ahead[flat] = (step > 0 ? decay.data[flat]! * expected.ahead[flat - 2]! : 0) + terms.data[flat]!
      const last = 4 * time - 1 - flat
      const following = Math.floor(last / 2) % time < time - 1 ? expected.back[last + 2]! : 0
      expected.back[last] = decay.data[last]! * following + terms.data[last]!
    }
    expectNear(ahead!.data, expected.ahead, 'ahead', 1e-9)
    expectNear(back!.data, expected.back, 'back', 1e-9)
  })

  it.each([false, true])('has gradients, and derivatives of those: reverse %s', (reverse) => {
    const shape = [1, 19, 2]
    const inputs = { a: noise('decay', shape), b: noise('terms', shape), cotangent: noise('cotangent', shape) }
    const [a, b] = [input('a', 'float32', shape), input('b', 'float32', shape)]
    checkLayerGradients({}, (x) => linearScan(x, negate(x), { reverse }), shape)
    const along = jvp(linearScan(a, b, { reverse }), [a], [input('cotangent', 'float32', shape)])
    const [direction] = interpret([along], { inputs })
    const slope = centralDifferences(
      linearScan(a, b, { reverse }),
      { shape, data: new Float64Array(38).fill(1) },
      { inputs },
      { leaf: 'a' },
    )
    const expected = slope.reduce((sum, value, i) => sum + value * inputs.cotangent.data[i]!, 0)
    expect(direction!.data.reduce((sum, value) => sum + value, 0)).toBeCloseTo(expected, 5)
  })

  it('has a graph that grows with the logarithm of time', () => {
    const nodes = (time: number) => {
      const seen = new Set<Tensor>()
      const pending = [linearScan(input('a', 'float32', [1, time, 1]), input('b', 'float32', [1, time, 1]))]
      for (let node = pending.pop(); node !== undefined; node = pending.pop())
        if (!seen.has(node)) pending.push(...(seen.add(node) && node.inputs))
      return seen.size
    }
    expect(nodes(4096)).toBeLessThan(450)
    expect(nodes(4096) - nodes(256)).toBeLessThan(200)
  })

  it('refuses operands that differ', () => {
    expect(() => linearScan(input('a', 'float32', [1, 3, 2]), input('b', 'float32', [1, 3, 1]))).toThrow(ShapeError)
    expect(() => linearScan(input('a', 'float32', [1, 'time', 2]), input('b', 'float32', [1, 'time', 2]))).toThrow(ShapeError)
  })
})

describe('selectiveScan', () => {
  it.each([1, 7, 24, 75])('is the sequential loop: %d steps', (time) => {
    const values = operands(time)
    const [y] = interpret([selectiveScan(leaves(values))], { inputs: { ...values } })
    const expected = [0, 1].flatMap((row) =>
      naiveScan({
        x: rowsOf(values.x, row),
        delta: rowsOf(values.delta, row),
        a: rowsOf(values.a),
        b: rowsOf(values.b, row),
        c: rowsOf(values.c, row),
        d: [...values.d.data],
      }),
    )
    expectNear(y!.data, expected.flat(), 'y', 1e-9)
  })

  it('refuses operands that do not fit', () => {
    const good = leaves(operands(4))
    expect(() => selectiveScan({ ...good, b: input('b', 'float32', [2, 4, 3]) })).toThrow(/b is \[2,4,3\]; expected \[2,4,2\]/)
    expect(() => selectiveScan({ ...good, d: good.x })).toThrow(ShapeError)
  })
})

/** The block on one sample, from its formulas. */
function naiveMamba(of: ReadonlyMap<string, ReferenceValue>, x: Rows, { channels, rank, state }: Record<string, number>): Rows {
  const value = (name: string) => of.get(name)!
  const both = project(x, rowsOf(value('in_proj.weight')))
  const [inner, gate] = [both.map((row) => row.slice(0, channels)), both.map((row) => row.slice(channels))]
  const taps = rowsOf({ ...value('conv1d.weight'), shape: [channels!, value('conv1d.weight').shape[2]!] })
  const seen = inner.map((row, t) =>
    row.map((_, channel) =>
      siluOf(
        taps[channel]!.reduce((sum, w, i) => sum + w * (inner[t - taps[channel]!.length + 1 + i]?.[channel] ?? 0), 0) +
          value('conv1d.bias').data[channel]!,
      ),
    ),
  )
  const chosen = project(seen, rowsOf(value('x_proj.weight')))
  const steps = project(
    chosen.map((row) => row.slice(0, rank)),
    rowsOf(value('dt_proj.weight')),
  ).map((row) => row.map((step, channel) => Math.log1p(Math.exp(step + value('dt_proj.bias').data[channel]!))))
  const read = naiveScan({
    x: seen,
    delta: steps,
    a: rowsOf(value('A_log')).map((row) => row.map((rate) => -Math.exp(rate))),
    b: chosen.map((row) => row.slice(rank, rank! + state!)),
    c: chosen.map((row) => row.slice(rank! + state!)),
    d: [...value('D').data],
  })
  const gated = read.map((row, t) => row.map((y, channel) => y * siluOf(gate[t]![channel]!)))
  return project(gated, rowsOf(value('out_proj.weight')))
}

describe('Mamba', () => {
  it.each([
    ['defaults', {}, { channels: 4, rank: 1, state: 16 }, 4],
    ['wider, few states, a longer kernel', { state: 2, expand: 2, kernel: 4 }, { channels: 36, rank: 2, state: 2 }, 18],
  ])('is its formulas: %s', (_name, options, sizes, width) => {
    const layer = new Mamba(width, options)
    const { variables, byName } = randomVariables(layer)
    const x = noise('x', [2, 11, width])
    const [y] = interpret([layer.forward(input('x', 'float32', x.shape))], { inputs: { x }, variables })
    expectNear(y!.data, [0, 1].flatMap((row) => naiveMamba(byName, rowsOf(x, row), sizes)).flat(), 'y', 1e-6)
  })

  it('both ways: the sum of a block and of another one on flipped slots, flipped back', () => {
    const both = new BidirectionalMamba(4, { state: 2, kernel: 3 })
    const plain = new Mamba(4, { state: 2, kernel: 3 })
    const { variables, byName } = randomVariables(both)
    const named = randomVariables(plain as unknown as Module).variables
    for (const variable of named.keys()) variables.set(variable, byName.get(`back.${(variable as Variable).name}`)!)
    const x = input('x', 'float32', [2, 10, 4])
    const outputs = [both.forward(x), both.ahead.forward(x), flipped(plain.forward(flipped(x)))]
    const [sum, ahead, back] = interpret(outputs, { inputs: { x: noise('x', [2, 10, 4]) }, variables })
    expectNear(
      sum!.data,
      ahead!.data.map((value, i) => value + back!.data[i]!),
      'sum',
      1e-9,
    )
  })

  it('has the gradients of central differences', () => {
    const layer = new BidirectionalMamba(4, { state: 2 })
    checkLayerGradients(layer as unknown as Module, (x) => layer.forward(x), [1, 9, 4], { most: 3 })
  })

  it('starts with steps in [0.001, 0.1] and rates −1, −2, …', () => {
    const layer = new Mamba(4, { state: 3 })
    const start = (variable: Variable, shape: number[]) => variable.initializer!(shape, createRng(1)) as Float32Array
    const steps = start(layer.dt_proj.bias!, [500]).map((x) => Math.log1p(Math.exp(x)))
    expect(Math.min(...steps)).toBeGreaterThan(0.00099)
    expect(Math.min(...steps)).toBeLessThan(0.0012)
    expect(Math.max(...steps)).toBeLessThan(0.1001)
    expect(Math.max(...steps)).toBeGreaterThan(0.09)
    const [rates] = interpret([negate(exp(constant(start(layer.A_log, [2, 3]), [2, 3])))], { inputs: {} })
    expectNear(rates!.data, [-1, -2, -3, -1, -2, -3], 'rates', 1e-6)
  })

  it('refuses sizes that are none and unknown options', () => {
    for (const options of [{ state: 0 }, { expand: 1.5 }, { kernel: 0 }]) expect(() => new Mamba(4, options)).toThrow(OptionError)
    expect(() => new Mamba(4, { conv: 2 } as object)).toThrow(/unknown Mamba option 'conv'/)
  })
})
