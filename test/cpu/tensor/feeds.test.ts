import { describe, expect, it } from 'vitest'
import { DTypeError, OptionError, RuntimeError, ShapeError } from '../../../src/base/errors.ts'
import { addDimensions, symbol } from '../../../src/tensor/dimension.ts'
import { add, bool, compile, concat, float32, gather, int64, multiply, not, range, slice, sum } from '../../../src/tensor/index.ts'
import { ProgramBench } from './program-bench.ts'

const bench = new ProgramBench()

const double = (options = {}) =>
  bench.keep(compile({ x: float32('N', 2) }, ({ x }) => ({ y: multiply(x, 2), z: sum(x) }), { device: bench.device, ...options }))

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
    ['another dtype', { x: new Int32Array(2) }, DTypeError, /input x is a Int32Array; expected float32 \(Float32Array\)/],
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
      /in a Float64Array/,
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
    const program = bench.keep(
      compile(
        { a: float32(t), b: float32(c), both: float32(addDimensions(t, c)) },
        ({ a, b, both }) => ({ y: add(concat([a, b], 0), both) }),
        { device: bench.device },
      ),
    )
    const feeds = { a: new Float32Array(2), b: new Float32Array(3) }
    expect((await program.run({ ...feeds, both: new Float32Array(5) })).y.shape).toEqual([5])
    await expect(program.run({ ...feeds, both: new Float32Array(4) })).rejects.toThrow(/a size T\+C is 4; expected 5/)
    const same = bench.keep(
      compile({ a: float32('N'), b: float32('N') }, ({ a, b }) => ({ y: add(a, b) }), { device: bench.device }),
    )
    const three = { dtype: 'float32' as const, shape: [3], data: new Float32Array(3) }
    const unequal = same.run({ a: new Float32Array(2), b: three })
    await expect(unequal).rejects.toThrow(/b has shape \[3\]; expected \[N\] with N=2/)
    await expect(same.run({ a: new Float32Array(2), b: three.data })).rejects.toThrow(/input b has 3 values for shape \[2\]/)
  })

  it('that make a size negative are refused with the op and its line', async () => {
    const program = bench.keep(compile({ x: float32('N') }, ({ x }) => ({ y: slice(x, 0, -3) }), { device: bench.device }))
    expect((await program.run({ x: Float32Array.of(1, 2, 3, 4) })).y.data).toEqual(Float32Array.of(2, 3, 4))
    const short = program.run({ x: Float32Array.of(1, 2) })
    await expect(short).rejects.toThrow(ShapeError)
    await expect(short).rejects.toThrow(/slice at .*feeds\.test\.ts:\d+:\d+: N-3 is -1 with N=2/)
  })

  it('that point outside a table are a typed error, and the program goes on', async () => {
    const program = bench.keep(compile({ ids: int64('N') }, ({ ids }) => ({ y: gather(range(5), ids) }), { device: bench.device }))
    await expect(program.run({ ids: BigInt64Array.of(5n) })).rejects.toThrow(RuntimeError)
    expect((await program.run({ ids: BigInt64Array.of(4n, -1n) })).y.data).toEqual(BigInt64Array.of(4n, 4n))
  })
})

it('booleans that are neither 0 nor 1 are refused', async () => {
  const program = bench.keep(compile({ b: bool(3) }, ({ b }) => ({ y: not(b) }), { device: bench.device }))
  expect((await program.run({ b: Uint8Array.of(0, 1, 1) })).y.data).toEqual(Uint8Array.of(1, 0, 0))
  await expect(program.run({ b: Uint8Array.of(0, 2, 1) })).rejects.toThrow(/input b holds 2; expected 0 or 1/)
})
