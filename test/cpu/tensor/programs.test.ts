import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { DisposedError, DTypeError, GraphError, OptionError, RuntimeError, ShapeError } from '../../../src/base/errors.ts'
import { createRng } from '../../../src/base/rng.ts'
import { decodeOnnx } from '../../../src/formats/onnx.ts'
import { initialize, Linear } from '../../../src/nn/index.ts'
import { type Device, openDevice } from '../../../src/platform/index.ts'
import { addDimensions, symbol } from '../../../src/tensor/dimension.ts'
import {
  add,
  assign,
  assignRows,
  bool,
  compile,
  concat,
  exp,
  float32,
  float64,
  gather,
  int32,
  int64,
  multiply,
  not,
  range,
  reshape,
  slice,
  sum,
  Variable,
} from '../../../src/tensor/index.ts'

let device: Device
let other: Device
beforeAll(async () => {
  device = await openDevice({ worker: false, threads: 1 })
  other = await openDevice({ worker: false, threads: 1 })
})
afterAll(async () => {
  await device[Symbol.asyncDispose]()
  await other[Symbol.asyncDispose]()
})

const open: { dispose(): Promise<void> }[] = []
afterEach(async () => {
  for (const each of open.splice(0)) await each.dispose()
})
const kept = <T extends { dispose(): Promise<void> }>(each: T): T => {
  open.push(each)
  return each
}
const double = (options = {}) =>
  kept(compile({ x: float32('N', 2) }, ({ x }) => ({ y: multiply(x, 2), z: sum(x) }), { device, ...options }))
async function filled(name: string, ...values: number[]): Promise<Variable> {
  const variable = kept(new Variable({ shape: [values.length], name }))
  await variable.write(Float32Array.from(values))
  return variable
}

describe('feeds', () => {
  it('are tensors, or bare arrays where at most one size is open', async () => {
    const program = double()
    const bare = await program.run({ x: Float32Array.of(1, 2, 3, 4) })
    expect(bare.y).toEqual({ dtype: 'float32', shape: [2, 2], data: Float32Array.of(2, 4, 6, 8) })
    const tensor = await program.run({ x: { dtype: 'float32', shape: [1, 2], data: Float32Array.of(5, 6) } })
    expect(tensor.y.data).toEqual(Float32Array.of(10, 12))
    expect((await program.run({ x: new Float32Array(0) })).y.shape).toEqual([0, 2])
  })

  it.each<[string, object, new (message: string) => Error, RegExp]>([
    ['a missing one', {}, OptionError, /input x is missing; expected float32\[N, 2\]/],
    ['an unknown one', { x: new Float32Array(2), y: 1 }, OptionError, /the program has no input y; expected x/],
    ['an inherited one', Object.create({ x: new Float32Array(2) }), OptionError, /input x is missing/],
    ['another dtype', { x: new Int32Array(2) }, DTypeError, /input x is float32 \(Int32Array\); expected float32 \(Float32Array\)/],
    ['a plain list', { x: [1, 2] }, DTypeError, /input x is fed a Array; expected a Float32Array, or \{ dtype, shape, data \}/],
    ['a number', { x: 3 }, DTypeError, /input x is fed 3; expected/],
    ['null', { x: null }, DTypeError, /input x is fed null/],
    ['an empty object', { x: {} }, DTypeError, /input x is fed a Object/],
    [
      'a tensor of another dtype',
      { x: { dtype: 'float64', shape: [1, 2], data: new Float64Array(2) } },
      DTypeError,
      /input x is float64/,
    ],
    [
      'a tensor whose data is of another dtype',
      { x: { dtype: 'float32', shape: [1, 2], data: new Float64Array(2) } },
      DTypeError,
      /\(Float64Array\)/,
    ],
    [
      'a number of values that fits no size',
      { x: new Float32Array(3) },
      ShapeError,
      /input x has 3 values; expected a multiple of 2/,
    ],
    [
      'another rank',
      { x: { dtype: 'float32', shape: [2], data: new Float32Array(2) } },
      ShapeError,
      /x has shape \[2\]; expected \[N, 2\]/,
    ],
    [
      'another size',
      { x: { dtype: 'float32', shape: [2, 3], data: new Float32Array(6) } },
      ShapeError,
      /x has shape \[2, 3\]; expected \[N, 2\]/,
    ],
    [
      'too few values',
      { x: { dtype: 'float32', shape: [2, 2], data: new Float32Array(3) } },
      ShapeError,
      /input x has 3 values for shape \[2, 2\]; expected 4/,
    ],
    ['a negative size', { x: { dtype: 'float32', shape: [-1, 2], data: new Float32Array(2) } }, DTypeError, /input x is fed/],
  ])('are refused: %s', async (_what, feeds, type, message) => {
    const program = double()
    const run = program.run(feeds as never)
    await expect(run).rejects.toThrow(type)
    await expect(run).rejects.toThrow(message)
    expect((await program.run({ x: Float32Array.of(1, 1) })).z.data).toEqual(Float32Array.of(2))
  })

  it('that share a name of a size must agree, also through sums', async () => {
    const [t, c] = [symbol('T'), symbol('C')]
    const program = kept(
      compile(
        { a: float32(t), b: float32(c), both: float32(addDimensions(t, c)) },
        ({ a, b, both }) => ({ y: add(concat([a, b], 0), both) }),
        { device },
      ),
    )
    const feeds = { a: new Float32Array(2), b: new Float32Array(3) }
    expect((await program.run({ ...feeds, both: new Float32Array(5) })).y.shape).toEqual([5])
    await expect(program.run({ ...feeds, both: new Float32Array(4) })).rejects.toThrow(/a size T\+C is 4; expected 5/)
    const same = kept(compile({ a: float32('N'), b: float32('N') }, ({ a, b }) => ({ y: add(a, b) }), { device }))
    const three = { dtype: 'float32' as const, shape: [3], data: new Float32Array(3) }
    const unequal = same.run({ a: new Float32Array(2), b: three })
    await expect(unequal).rejects.toThrow(/b has shape \[3\]; expected \[N\] with N=2/)
    await expect(same.run({ a: new Float32Array(2), b: three.data })).rejects.toThrow(/input b has 3 values for shape \[2\]/)
  })

  it('that make a size negative are refused with the op and its line', async () => {
    const program = kept(compile({ x: float32('N') }, ({ x }) => ({ y: slice(x, 0, -3) }), { device }))
    expect((await program.run({ x: Float32Array.of(1, 2, 3, 4) })).y.data).toEqual(Float32Array.of(2, 3, 4))
    const short = program.run({ x: Float32Array.of(1, 2) })
    await expect(short).rejects.toThrow(ShapeError)
    await expect(short).rejects.toThrow(/slice at .*programs\.test\.ts:\d+:\d+: N-3 is -1 with N=2/)
  })

  it('that point outside a table are a typed error, and the program goes on', async () => {
    const program = kept(compile({ ids: int64('N') }, ({ ids }) => ({ y: gather(range(5), ids) }), { device }))
    await expect(program.run({ ids: BigInt64Array.of(5n) })).rejects.toThrow(RuntimeError)
    expect((await program.run({ ids: BigInt64Array.of(4n, -1n) })).y.data).toEqual(BigInt64Array.of(4n, 4n))
  })
})

describe('options of a run', () => {
  it('bring back only what is asked for', async () => {
    expect(Object.keys(await double().run({ x: new Float32Array(2) }, { only: ['z'] }))).toEqual(['z'])
  })

  it.each<[string, object, RegExp]>([
    ['an unknown output', { only: ['w'] }, /the program has no output w/],
    ['an unknown option', { onyl: ['z'] }, /run: /],
    ['a guard that is none', { guard: true }, /run: guard/],
    ['rows that are no map', { rows: {} }, /run: rows/],
  ])('are refused: %s', async (_what, options, message) => {
    const run = double().run({ x: new Float32Array(2) }, options as never)
    await expect(run).rejects.toThrow(OptionError)
    await expect(run).rejects.toThrow(message)
  })

  it('rows of a variable: a window on its first axis', async () => {
    const cache = kept(new Variable({ shape: ['B', 3], name: 'cache' }))
    await cache.write(
      Float32Array.from({ length: 12 }, (_, i) => i),
      [4, 3],
    )
    const inputs = { value: float32('B', 1), starts: int32('B'), counts: int32('B') }
    const program = kept(
      compile(
        inputs,
        ({ value, starts, counts }) => ({ y: multiply(cache, 1.5), rows: assignRows(cache, value, 1, starts, counts) }),
        { device },
      ),
    )
    const feeds = { value: Float32Array.of(-1, -2), starts: Int32Array.of(0, 2), counts: Int32Array.of(1, 1) }
    const rows = (start: number, count: number) => ({ rows: new Map([[cache, { start, count }]]) })
    const { y } = await program.run(feeds, rows(1, 2))
    expect(y).toEqual({ dtype: 'float32', shape: [2, 3], data: Float32Array.of(4.5, 6, 7.5, 9, 10.5, 12) })
    expect(await cache.read()).toEqual(Float32Array.of(0, 1, 2, -1, 4, 5, 6, 7, -2, 9, 10, 11))
    for (const [start, count] of [
      [-1, 2],
      [3, 2],
      [0, 0],
      [0.5, 2],
      [Number.NaN, 2],
    ] as const)
      await expect(program.run(feeds, rows(start, count)), `${start}, ${count}`).rejects.toThrow(ShapeError)
    await expect(program.run(feeds)).rejects.toThrow(/cache has shape \[4, 3\]; expected \[B, 3\] with B=2/)
    const stranger = await filled('stranger', 1)
    await expect(program.run(feeds, { rows: new Map([[stranger, { start: 0, count: 1 }]]) })).rejects.toThrow(
      /rows of variable stranger, which the program is not fed/,
    )
    const whole = kept(compile({}, () => ({ next: assign(cache, add(cache, 1)) }), { device }))
    await expect(whole.run({}, rows(0, 1))).rejects.toThrow(/which the program assigns as a whole; use assignRows\(\)/)
  })
})

describe('a guard', () => {
  it.each([false, true])('that throws leaves variables as they were (in place: %s)', async (inPlace) => {
    const weight = await filled('weight', 1, 2)
    const step = kept(
      compile(
        { by: float32() },
        ({ by }) => ({ loss: sum(multiply(weight, by)), next: assign(weight, exp(multiply(weight, by))) }),
        { device, inPlace },
      ),
    )
    const seen: number[] = []
    const guard = ({ loss }: { loss: { data: ArrayLike<number | bigint> } }) => {
      seen.push(Number(loss.data[0]))
      if (seen.at(-1)! > 5) throw new RangeError('too much')
    }
    await expect(step.run({ by: Float32Array.of(2) }, { guard })).rejects.toThrow(RangeError)
    expect(await weight.read()).toEqual(Float32Array.of(1, 2))
    await step.run({ by: Float32Array.of(1) }, { guard })
    expect(await weight.read()).toEqual(Float32Array.of(Math.exp(1), Math.exp(2)))
    expect(seen).toEqual([6, 3])
  })
})

describe('a program without a device', () => {
  it('can be exported but not run', async () => {
    const program = compile({ x: float32(2) }, ({ x }) => ({ y: exp(x) }))
    await expect(program.run({ x: new Float32Array(2) })).rejects.toThrow(
      /the program has no device to run on; pass \{ device \} to compile\(\)/,
    )
    await expect(program.load()).rejects.toThrow(OptionError)
    const { model } = await program.toOnnx()
    expect(decodeOnnx(model).graph.nodes.map(({ opType }) => opType)).toEqual(['Exp'])
    await program.dispose()
  })
})

describe('disposal', () => {
  it('of a program: twice is allowed, any use after it is refused, its session is gone', async () => {
    const before = await device.memory()
    const program = double()
    await program.run({ x: new Float32Array(2) })
    expect((await device.memory()).sessions).toBe(before.sessions + 1)
    await program.dispose()
    await program.dispose()
    expect(await device.memory()).toEqual(before)
    await expect(program.run({ x: new Float32Array(2) })).rejects.toThrow(DisposedError)
    await expect(program.load()).rejects.toThrow(DisposedError)
  })

  it('of a program that never ran, or could not load', async () => {
    await double().dispose()
    const broken = compile({ x: float64(2) }, ({ x }) => ({ y: exp(x) }), { device: other, name: 'x' })
    await broken.dispose()
    const lost = await openDevice({ worker: false, threads: 1 })
    const program = compile({ x: float32(2) }, ({ x }) => ({ y: exp(x) }), { device: lost })
    await program.run({ x: new Float32Array(2) })
    const weight = await filled('weight', 1)
    await weight.bind(lost)
    await lost[Symbol.asyncDispose]()
    await expect(program.run({ x: new Float32Array(2) })).rejects.toThrow(DisposedError)
    await program.dispose()
    await weight.dispose()
  })

  it('of a variable: its memory is freed, any use after it is refused', async () => {
    const before = await device.memory()
    const weight = new Variable({ shape: [4], name: 'weight' })
    const step = kept(compile({}, () => ({ next: assign(weight, add(weight, 1)) }), { device }))
    await step.run({})
    expect((await device.memory()).bytes).toBe(before.bytes + 32)
    await weight.dispose()
    await weight.dispose()
    expect((await device.memory()).bytes).toBe(before.bytes)
    await expect(weight.read()).rejects.toThrow(/variable weight was disposed/)
    await expect(weight.write(new Float32Array(4))).rejects.toThrow(DisposedError)
    await expect(step.run({})).rejects.toThrow(DisposedError)
  })
})

describe('a variable', () => {
  it('lives on one device', async () => {
    const weight = await filled('weight', 1, 2)
    const on = (where: Device) => kept(compile({}, () => ({ y: multiply(weight, 2) }), { device: where }))
    expect((await on(device).run({})).y.data).toEqual(Float32Array.of(2, 4))
    const elsewhere = on(other).run({})
    await expect(elsewhere).rejects.toThrow(GraphError)
    await expect(elsewhere).rejects.toThrow(
      /variable weight lives on another device; use one device for all programs that share variables/,
    )
    const fresh = await filled('fresh', 1)
    const both = [device, other].map((where) => kept(compile({}, () => ({ y: multiply(fresh, 2) }), { device: where })).run({}))
    expect((await Promise.allSettled(both)).map(({ status }) => status)).toEqual(['fulfilled', 'rejected'])
  })

  it('keeps its values when a device refuses them', async () => {
    const lost = await openDevice({ worker: false, threads: 1 })
    await lost[Symbol.asyncDispose]()
    const weight = await filled('weight', 1, 2)
    await expect(weight.bind(lost)).rejects.toThrow(DisposedError)
    expect(await weight.read()).toEqual(Float32Array.of(1, 2))
    await weight.bind(device)
    expect(await weight.read()).toEqual(Float32Array.of(1, 2))
  })

  it.each<[string, (weight: Variable) => Promise<unknown>, RegExp]>([
    [
      'too few values',
      (w) => w.write(new Float32Array(1)),
      /Float32Array\(1\) does not fit variable weight; expected Float32Array\(2\)/,
    ],
    ['another dtype', (w) => w.write(new Float64Array(2)), /Float64Array\(2\) does not fit/],
    ['another shape', (w) => w.write(new Float32Array(2), [1, 2]), /\[1, 2\] does not fit variable weight; expected \[2\]/],
  ])('refuses %s and keeps its values', async (_what, act, message) => {
    const weight = await filled('weight', 1, 2)
    await expect(act(weight)).rejects.toThrow(message)
    expect(await weight.read()).toEqual(Float32Array.of(1, 2))
  })

  it('does not keep the caller’s array, nor give away its own', async () => {
    const values = Float32Array.of(1, 2)
    const weight = kept(new Variable({ shape: [2] }))
    await weight.write(values)
    values[0] = 9
    const copy = await weight.read()
    copy.fill(7 as never)
    expect(await weight.read()).toEqual(Float32Array.of(1, 2))
  })

  it('that was never initialized is refused where it would train on zeros; plain state starts with zeros', async () => {
    const layer = new Linear(2, 2)
    layer.weight.name = 'weight'
    const program = kept(compile({ x: float32(1, 2) }, ({ x }) => ({ y: layer.forward(x) }), { device }))
    const run = program.run({ x: new Float32Array(2) })
    await expect(run).rejects.toThrow(GraphError)
    await expect(run).rejects.toThrow(/parameter weight has no values yet; initialize\(\) its module or load weights first/)
    await initialize(layer, createRng(1))
    expect((await program.run({ x: new Float32Array(2) })).y.data).toEqual(new Float32Array(2))
    expect(await kept(new Variable({ shape: [2] })).read()).toEqual(new Float32Array(2))
    await layer.weight.dispose()
  })

  it('of open sizes may change its shape between runs', async () => {
    const cache = kept(new Variable({ shape: ['B', 2], name: 'cache' }))
    const program = kept(compile({}, () => ({ y: sum(cache, 0), flat: reshape(cache, [-1]) }), { device }))
    await expect(program.run({})).rejects.toThrow(
      /variable cache \[B, 2\] has no sizes yet; write\(\) values with their shape first/,
    )
    for (const rows of [1, 3, 2]) {
      await cache.write(new Float32Array(2 * rows).fill(1), [rows, 2])
      const { y, flat } = await program.run({})
      expect(y.data).toEqual(Float32Array.of(rows, rows))
      expect(flat.shape).toEqual([2 * rows])
    }
  })

  it('cannot be written, nor assigned by another program, while a program assigns it', async () => {
    const weight = await filled('weight', 1)
    const build = () => ({ next: assign(weight, add(weight, 1)) })
    const [step, rival] = [kept(compile({}, build, { device })), kept(compile({}, build, { device }))]
    const refused: Promise<unknown>[] = []
    const guard = () => {
      refused.push(weight.write(Float32Array.of(9)), rival.run({}))
    }
    await step.run({}, { guard })
    for (const attempt of refused.slice(0, 1))
      await expect(attempt).rejects.toThrow(/weight is being assigned by a program; await that run first/)
    await Promise.allSettled(refused)
    expect([2, 3]).toContain(Number((await weight.read())[0]))
  })
})

describe('names', () => {
  it('of variables never clash with inputs, outputs or one another', async () => {
    const all = await Promise.all(
      ['x', 'y', 'w', 'w', '', 'next:w', 'Mul:0', 'w#3', 'constant:0'].map((name, i) => filled(name, i + 1)),
    )
    const program = kept(
      compile(
        { x: float32(1) },
        ({ x }) => {
          const total = all.reduce((sum, each) => add(sum, multiply(each, 2)), multiply(x, 3))
          return { y: total, 'next:x': multiply(total, 0.5), all: all.map((each) => assign(each, add(each, 1))) }
        },
        { device },
      ),
    )
    const { y } = await program.run({ x: Float32Array.of(100) })
    expect(y.data).toEqual(Float32Array.of(300 + 2 * 45))
    expect(await all[8]!.read()).toEqual(Float32Array.of(10))
  })
})

describe('an exported program', () => {
  it('is a file that a session runs on its own: fixed weights inside, state as inputs and outputs', async () => {
    const [weight, counter] = [await filled('weight', 3, 4), await filled('counter', 5)]
    const program = kept(
      compile({ x: float32('N', 2) }, ({ x }) => ({ y: multiply(x, weight), next: assign(counter, add(counter, 1)) }), { device }),
    )
    const { model } = await program.toOnnx()
    const { inputs, outputs, initializers } = decodeOnnx(model).graph
    expect(inputs.map(({ name }) => name)).toEqual(['x', 'counter'])
    expect(outputs.map(({ name }) => name)).toEqual(['y', 'next:counter'])
    expect(initializers.map(({ name }) => name)).toContain('weight')
    const session = await device.load(model)
    const tensor = (...values: number[]) => ({ dtype: 'float32' as const, data: Float32Array.from(values) })
    const feeds = { x: { ...tensor(1, 1), shape: [1, 2] }, counter: { ...tensor(5), shape: [1] } }
    const results = await device.run(session, feeds, { y: { kind: 'host' }, 'next:counter': { kind: 'host' } })
    expect(results.y!.data).toEqual(Float32Array.of(3, 4))
    expect(results['next:counter']!.data).toEqual(Float32Array.of(6))
    await device.unload(session)
  })

  it('holds open-sized state that it only reads, frozen or exported', async () => {
    const table = kept(new Variable({ shape: ['R', 2], name: 'table' }))
    await table.write(Float32Array.of(1, 2, 3, 4, 5, 6), [3, 2])
    const build = () => ({ y: multiply(table, 2), count: range(symbol('R')) })
    const program = kept(compile({}, build, { device, frozen: true }))
    const { y, count } = await program.run({})
    expect(y.shape).toEqual([3, 2])
    expect(count.data).toEqual(BigInt64Array.of(0n, 1n, 2n))
    expect(decodeOnnx((await program.toOnnx()).model).graph.inputs).toEqual([])
  })

  it('refuses unknown options', async () => {
    await expect(double().toOnnx({ external: true } as never)).rejects.toThrow(OptionError)
  })
})

it('booleans that are neither 0 nor 1 are refused', async () => {
  const program = kept(compile({ b: bool(3) }, ({ b }) => ({ y: not(b) }), { device }))
  expect((await program.run({ b: Uint8Array.of(0, 1, 1) })).y.data).toEqual(Uint8Array.of(1, 0, 0))
  await expect(program.run({ b: Uint8Array.of(0, 2, 1) })).rejects.toThrow(/input b holds 2; expected 0 or 1/)
})
