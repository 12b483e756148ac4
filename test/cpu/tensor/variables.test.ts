import { describe, expect, it } from 'vitest'
import { DisposedError, GraphError } from '../../../src/base/errors.ts'
import { createRng } from '../../../src/base/rng.ts'
import { disposeModule, initialize, Linear, nameVariables } from '../../../src/nn/index.ts'
import { type Device, openDevice } from '../../../src/platform/index.ts'
import { add, assign, compile, float32, multiply, reshape, sum, Variable } from '../../../src/tensor/index.ts'
import { ProgramBench } from './program-bench.ts'

const bench = new ProgramBench()

describe('a variable', () => {
  it('lives on one device', async () => {
    const weight = await bench.filled('weight', 1, 2)
    const on = (where: Device) => bench.keep(compile({}, () => ({ y: multiply(weight, 2) }), { device: where }))
    expect((await on(bench.device).run({})).y.data).toEqual(Float32Array.of(2, 4))
    const elsewhere = on(bench.other).run({})
    await expect(elsewhere).rejects.toThrow(GraphError)
    await expect(elsewhere).rejects.toThrow(
      /variable weight lives on another device; use one device for all programs that share variables/,
    )
    const fresh = await bench.filled('fresh', 1)
    const both = [bench.device, bench.other].map((where) =>
      bench.keep(compile({}, () => ({ y: multiply(fresh, 2) }), { device: where })).run({}),
    )
    expect((await Promise.allSettled(both)).map(({ status }) => status)).toEqual(['fulfilled', 'rejected'])
  })

  it('keeps its values when a device refuses them', async () => {
    const lost = await openDevice({ worker: false, threads: 1 })
    await lost[Symbol.asyncDispose]()
    const weight = await bench.filled('weight', 1, 2)
    await expect(weight.bind(lost)).rejects.toThrow(DisposedError)
    expect(await weight.read()).toEqual(Float32Array.of(1, 2))
    await weight.bind(bench.device)
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
    const weight = await bench.filled('weight', 1, 2)
    await expect(act(weight)).rejects.toThrow(message)
    expect(await weight.read()).toEqual(Float32Array.of(1, 2))
  })

  it('does not keep the caller’s array, nor give away its own', async () => {
    const values = Float32Array.of(1, 2)
    const weight = bench.keep(new Variable({ shape: [2] }))
    await weight.write(values)
    values[0] = 9
    const copy = await weight.read()
    copy.fill(7 as never)
    expect(await weight.read()).toEqual(Float32Array.of(1, 2))
  })

  it('that was never initialized is refused where it would train on zeros; plain state starts with zeros', async () => {
    const layer = new Linear(2, 2)
    nameVariables(layer)
    const program = bench.keep(compile({ x: float32(1, 2) }, ({ x }) => ({ y: layer.forward(x) }), { device: bench.device }))
    const run = program.run({ x: new Float32Array(2) })
    await expect(run).rejects.toThrow(GraphError)
    await expect(run).rejects.toThrow(/parameter weight has no values yet; initialize\(\) its module or load weights first/)
    await initialize(layer, createRng(1))
    expect((await program.run({ x: new Float32Array(2) })).y.data).toEqual(new Float32Array(2))
    expect(await bench.keep(new Variable({ shape: [2] })).read()).toEqual(new Float32Array(2))
    await disposeModule(layer)
  })

  it('of open sizes may change its shape between runs', async () => {
    const cache = bench.keep(new Variable({ shape: ['B', 2], name: 'cache' }))
    const program = bench.keep(compile({}, () => ({ y: sum(cache, 0), flat: reshape(cache, [-1]) }), { device: bench.device }))
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
    const weight = await bench.filled('weight', 1)
    const build = () => ({ next: assign(weight, add(weight, 1)) })
    const [step, rival] = [
      bench.keep(compile({}, build, { device: bench.device })),
      bench.keep(compile({}, build, { device: bench.device })),
    ]
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
