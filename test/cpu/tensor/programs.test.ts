import { describe, expect, it } from 'vitest'
import { DisposedError, OptionError, RuntimeError, ShapeError } from '../../../src/base/errors.ts'
import { decodeOnnx } from '../../../src/formats/onnx.ts'
import { type Device, openDevice } from '../../../src/platform/index.ts'
import { symbol } from '../../../src/tensor/dimension.ts'
import {
  add,
  assign,
  assignRows,
  compile,
  exp,
  float32,
  float64,
  int32,
  multiply,
  range,
  sum,
  Variable,
} from '../../../src/tensor/index.ts'
import { ProgramBench } from './program-bench.ts'

const bench = new ProgramBench()

const double = (options = {}) =>
  bench.keep(compile({ x: float32('N', 2) }, ({ x }) => ({ y: multiply(x, 2), z: sum(x) }), { device: bench.device, ...options }))

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
    const cache = bench.keep(new Variable({ shape: ['B', 3], name: 'cache' }))
    await cache.write(
      Float32Array.from({ length: 12 }, (_, i) => i),
      [4, 3],
    )
    const inputs = { value: float32('B', 1), starts: int32('B'), counts: int32('B') }
    const program = bench.keep(
      compile(
        inputs,
        ({ value, starts, counts }) => ({ y: multiply(cache, 1.5), rows: assignRows(cache, value, 1, starts, counts) }),
        { device: bench.device },
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
    const stranger = await bench.filled('stranger', 1)
    await expect(program.run(feeds, { rows: new Map([[stranger, { start: 0, count: 1 }]]) })).rejects.toThrow(
      /rows of variable stranger, which the program is not fed/,
    )
    const whole = bench.keep(compile({}, () => ({ next: assign(cache, add(cache, 1)) }), { device: bench.device }))
    await expect(whole.run({}, rows(0, 1))).rejects.toThrow(/which the program assigns as a whole; use assignRows\(\)/)
  })
})

describe('a guard', () => {
  it.each([false, true])('that throws leaves variables as they were (in place: %s)', async (inPlace) => {
    const weight = await bench.filled('weight', 1, 2)
    const step = bench.keep(
      compile(
        { by: float32() },
        ({ by }) => ({ loss: sum(multiply(weight, by)), next: assign(weight, exp(multiply(weight, by))) }),
        { device: bench.device, inPlace },
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

describe('a program whose session could not be made', () => {
  it('tries again at the next run', async () => {
    const { device } = bench
    let failures = 2
    const load: Device['load'] = (model, options) =>
      failures-- > 0 ? Promise.reject(new RuntimeError('no memory left')) : device.load(model, options)
    const flaky: Pick<Device, 'info' | 'load' | 'unload' | 'run'> = {
      info: device.info,
      load,
      unload: (session) => device.unload(session),
      run: (...given) => device.run(...given),
    }
    const program = double({ device: flaky })
    await expect(Promise.allSettled([program.load(), program.load()])).resolves.toMatchObject([
      { status: 'rejected', reason: { message: 'no memory left' } },
      { status: 'rejected', reason: { message: 'no memory left' } },
    ])
    await expect(program.run({ x: new Float32Array(2) })).rejects.toThrow('no memory left')
    expect((await program.run({ x: Float32Array.of(1, 3) })).y.data).toEqual(Float32Array.of(2, 6))
    expect(failures).toBe(-1)
  })
})

describe('disposal', () => {
  it('of a program: twice is allowed, any use after it is refused, its session is gone', async () => {
    const before = await bench.device.memory()
    const program = double()
    await program.run({ x: new Float32Array(2) })
    expect((await bench.device.memory()).sessions).toBe(before.sessions + 1)
    await program.dispose()
    await program.dispose()
    expect(await bench.device.memory()).toEqual(before)
    await expect(program.run({ x: new Float32Array(2) })).rejects.toThrow(DisposedError)
    await expect(program.load()).rejects.toThrow(DisposedError)
  })

  it('of a program that never ran, or could not load', async () => {
    await double().dispose()
    const broken = compile({ x: float64(2) }, ({ x }) => ({ y: exp(x) }), { device: bench.other, name: 'x' })
    await broken.dispose()
    const lost = await openDevice({ worker: false, threads: 1 })
    const program = compile({ x: float32(2) }, ({ x }) => ({ y: exp(x) }), { device: lost })
    await program.run({ x: new Float32Array(2) })
    const weight = await bench.filled('weight', 1)
    await weight.bind(lost)
    await lost[Symbol.asyncDispose]()
    await expect(program.run({ x: new Float32Array(2) })).rejects.toThrow(DisposedError)
    await program.dispose()
    await weight.dispose()
  })

  it('of a variable: its memory is freed, any use after it is refused', async () => {
    const before = await bench.device.memory()
    const weight = new Variable({ shape: [4], name: 'weight' })
    const step = bench.keep(compile({}, () => ({ next: assign(weight, add(weight, 1)) }), { device: bench.device }))
    await step.run({})
    expect((await bench.device.memory()).bytes).toBe(before.bytes + 32)
    await weight.dispose()
    await weight.dispose()
    expect((await bench.device.memory()).bytes).toBe(before.bytes)
    await expect(weight.read()).rejects.toThrow(/variable weight was disposed/)
    await expect(weight.write(new Float32Array(4))).rejects.toThrow(DisposedError)
    await expect(step.run({})).rejects.toThrow(DisposedError)
  })
})

describe('names', () => {
  it('of variables never clash with inputs, outputs or one another', async () => {
    const all = await Promise.all(
      ['x', 'y', 'w', 'w', '', 'next:w', 'Mul:0', 'w#3', 'constant:0'].map((name, i) => bench.filled(name, i + 1)),
    )
    const program = bench.keep(
      compile(
        { x: float32(1) },
        ({ x }) => {
          const total = all.reduce((sum, each) => add(sum, multiply(each, 2)), multiply(x, 3))
          return { y: total, 'next:x': multiply(total, 0.5), all: all.map((each) => assign(each, add(each, 1))) }
        },
        { device: bench.device },
      ),
    )
    const { y } = await program.run({ x: Float32Array.of(100) })
    expect(y.data).toEqual(Float32Array.of(300 + 2 * 45))
    expect(await all[8]!.read()).toEqual(Float32Array.of(10))
  })
})

describe('an exported program', () => {
  it('is a file that a session runs on its own: fixed weights inside, state as inputs and outputs', async () => {
    const [weight, counter] = [await bench.filled('weight', 3, 4), await bench.filled('counter', 5)]
    const program = bench.keep(
      compile({ x: float32('N', 2) }, ({ x }) => ({ y: multiply(x, weight), next: assign(counter, add(counter, 1)) }), {
        device: bench.device,
      }),
    )
    const { model } = await program.toOnnx()
    const { inputs, outputs, initializers } = decodeOnnx(model).graph
    expect(inputs.map(({ name }) => name)).toEqual(['x', 'counter'])
    expect(outputs.map(({ name }) => name)).toEqual(['y', 'next:counter'])
    expect(initializers.map(({ name }) => name)).toContain('weight')
    const session = await bench.device.load(model)
    const tensor = (...values: number[]) => ({ dtype: 'float32' as const, data: Float32Array.from(values) })
    const feeds = { x: { ...tensor(1, 1), shape: [1, 2] }, counter: { ...tensor(5), shape: [1] } }
    const results = await bench.device.run(session, feeds, { y: { kind: 'host' }, 'next:counter': { kind: 'host' } })
    expect(results.y!.data).toEqual(Float32Array.of(3, 4))
    expect(results['next:counter']!.data).toEqual(Float32Array.of(6))
    await bench.device.unload(session)
  })

  it('holds open-sized state that it only reads, frozen or exported', async () => {
    const table = bench.keep(new Variable({ shape: ['R', 2], name: 'table' }))
    await table.write(Float32Array.of(1, 2, 3, 4, 5, 6), [3, 2])
    const build = () => ({ y: multiply(table, 2), count: range(symbol('R')) })
    const program = bench.keep(compile({}, build, { device: bench.device, frozen: true }))
    const { y, count } = await program.run({})
    expect(y.shape).toEqual([3, 2])
    expect(count.data).toEqual(BigInt64Array.of(0n, 1n, 2n))
    expect(decodeOnnx((await program.toOnnx()).model).graph.inputs).toEqual([])
  })

  it('refuses unknown options', async () => {
    await expect(double().toOnnx({ external: true } as never)).rejects.toThrow(OptionError)
  })
})
