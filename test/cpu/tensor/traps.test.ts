import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { DTypeError } from '../../../src/base/errors.ts'
import { createRng } from '../../../src/base/rng.ts'
import { decodeOnnx } from '../../../src/formats/onnx.ts'
import { type Device, openDevice } from '../../../src/platform/index.ts'
import {
  assign,
  cast,
  compile,
  concat,
  erf,
  float32,
  float64,
  fromReference,
  gather,
  gelu,
  gradients,
  int32,
  interpret,
  layerNorm,
  logSumExp,
  matmul,
  mean,
  multiply,
  reshape,
  rmsNorm,
  silu,
  softmax,
  sum,
  type Tensor,
  toReference,
  Variable,
} from '../../../src/tensor/index.ts'
import { tinyModels } from '../../null/tensor/tiny-models.ts'
import { expectEqual } from './compare.ts'

let one: Device
let two: Device
beforeAll(async () => {
  one = await openDevice({ worker: false, threads: 1 })
  two = await openDevice({ worker: false, threads: 2 })
})
afterAll(async () => {
  await one[Symbol.asyncDispose]()
  await two[Symbol.asyncDispose]()
})

function random(label: string, shape: readonly number[]) {
  const data = createRng(7)
    .fold(label)
    .fillNormal(new Float32Array(shape.reduce((a, b) => a * b, 1)))
  return { dtype: 'float32' as const, shape, data }
}

/** Node names and how many outputs each uses. */
async function nodesOf(program: { toOnnx(): Promise<{ model: Uint8Array }> }) {
  return decodeOnnx((await program.toOnnx()).model).graph.nodes
}

describe('adding at repeated indices on several threads', () => {
  const [rows, width, count, different] = [1000, 16, 5000, 37]
  const rng = createRng(3)
  const ids = Int32Array.from({ length: count }, (_, i) => (rng.integerAt(i, different) * 27) % rows)
  const cotangent = random('cotangent', [count, width])
  const build = ({ table, ids, cotangent }: Record<'table' | 'ids' | 'cotangent', Tensor>) => ({
    gradient: gradients(sum(multiply(gather(table, ids), cotangent)), [table])[0]!,
  })
  const specs = { table: float32(rows, width), ids: int32(count), cotangent: float32(count, width) }
  const feeds = { table: random('table', [rows, width]), ids, cotangent }

  it('loses nothing: the gradient of an embedding equals plain sums, on one thread and on two', async () => {
    const expected = new Float64Array(rows * width)
    ids.forEach((row, i) => {
      for (let j = 0; j < width; j++) expected[row * width + j]! += cotangent.data[i * width + j]!
    })
    const results = []
    for (const device of [one, two]) {
      const program = compile(specs, build, { device })
      expect((await nodesOf(program)).map(({ opType }) => opType)).toContain('ScatterElements')
      const { gradient } = await program.run(feeds)
      expectEqual(gradient, { shape: [rows, width], data: expected }, 'gradient', 2e-5)
      results.push(gradient.data)
      await program.dispose()
    }
    expect(results[0]).toEqual(results[1])
  })

  it('is a product with one-hot rows for small tables, of the same value', async () => {
    const small = { ...specs, table: float32(200, width) }
    const program = compile(small, build, { device: two })
    const types = (await nodesOf(program)).map(({ opType }) => opType)
    expect(types).not.toContain('ScatterElements')
    expect(types).not.toContain('ScatterND')
    const inputs = { table: random('table', [200, width]), ids: ids.map((row) => row % 200), cotangent }
    const { gradient } = await program.run(inputs)
    const references = { ...inputs, ids: { dtype: 'int32' as const, shape: [count], data: inputs.ids } }
    const [expected] = interpret([program.trace.outputs.get('gradient')!], {
      inputs: Object.fromEntries(Object.entries(references).map(([name, value]) => [name, toReference(value)])),
    })
    expectEqual(gradient, expected!, 'gradient', 2e-5)
  })
})

describe('normalisation', () => {
  it('recomputes 1/σ in the backward pass instead of taking the second output of the fused kernel', async () => {
    const program = compile({ x: float32('N', 8), scale: float32(8), bias: float32(8) }, ({ x, scale, bias }) => {
      const loss = sum(rmsNorm(layerNorm(x, scale, bias, 1e-5), scale, 1e-5))
      const [dx, dscale, dbias] = gradients(loss, [x, scale, bias])
      return { dx: dx!, dscale: dscale!, dbias: dbias! }
    })
    const norms = (await nodesOf(program)).filter(({ opType }) => opType.endsWith('LayerNormalization'))
    expect(norms.length).toBeGreaterThan(0)
    expect(norms.map(({ outputs }) => outputs.length)).toEqual(norms.map(() => 1))
  })
})

describe('float64', () => {
  it('runs x·σ(x), which the runtime would fuse into a kernel that has no float64', async () => {
    const program = compile({ x: float64(5) }, ({ x }) => ({ y: silu(x), dx: gradients(sum(silu(x)), [x])[0]! }), { device: one })
    const x = Float64Array.of(-2, -0.5, 0, 1, 30)
    const { y, dx } = await program.run({ x })
    const sigma = x.map((v) => 1 / (1 + Math.exp(-v)))
    expectEqual(y, { shape: [5], data: x.map((v, i) => v * sigma[i]!) }, 'silu')
    expectEqual(dx, { shape: [5], data: x.map((v, i) => sigma[i]! * (1 + v * (1 - sigma[i]!))) }, 'its derivative')
  })

  it.each([
    ['erf', erf],
    ['gelu', gelu],
  ])('refuses %s by its name and the line, where the runtime has no kernel', async (name, op) => {
    const program = compile({ x: float64(5) }, ({ x }) => ({ y: op(x) }), { device: one })
    const run = program.run({ x: new Float64Array(5) })
    await expect(run).rejects.toThrow(DTypeError)
    await expect(run).rejects.toThrow(
      new RegExp(`^${name}\\(float64\\[5\\]\\) at .*traps\\.test\\.ts:\\d+:\\d+: .*has no float64 kernel`),
    )
    expect(
      interpret([program.trace.outputs.get('y')!], { inputs: { x: { shape: [5], data: new Float64Array(5) } } })[0]!.data[0],
    ).toBe(0)
    await program.dispose()
  })

  it('refuses bfloat16, for which the runtime has nothing', async () => {
    const program = compile({ x: float32(2) }, ({ x }) => ({ y: multiply(cast(x, 'bfloat16'), 2) }), { device: one })
    await expect(program.run({ x: new Float32Array(2) })).rejects.toThrow(DTypeError)
    await program.dispose()
  })
})

it.each([
  ['in process', false],
  ['a worker', true],
])('feeds and weights on shared memory work on a device %s', async (_where, worker) => {
  await using device = await openDevice({ worker, threads: 1 })
  const shared = (...values: number[]) => {
    const data = new Float32Array(new SharedArrayBuffer(4 * values.length))
    data.set(values)
    return data
  }
  const w = new Variable({ shape: [2] })
  await w.write(shared(3, 4))
  const program = compile({ x: float32(2) }, ({ x }) => ({ y: multiply(x, w) }), { device })
  expect((await program.run({ x: shared(1, 2) })).y.data).toEqual(Float32Array.of(3, 8))
  await w.write(shared(5, 6))
  expect((await program.run({ x: shared(1, 2) })).y.data).toEqual(Float32Array.of(5, 12))
})

it('one program serves any sizes of its named axes, one after another', async () => {
  const program = compile(
    { a: float32('B', 'T', 4), b: float32('B', 'C', 4) },
    ({ a, b }) => {
      const joined = concat([a, b], 1)
      const scores = matmul(joined, joined, { transposeB: true })
      return { y: mean(reshape(softmax(scores), [-1, joined.shape[1]!]), 0) }
    },
    { device: two },
  )
  for (const [B, T, C] of [
    [1, 1, 1],
    [2, 3, 5],
    [3, 7, 1],
    [2, 3, 5],
  ] as const) {
    const feeds = { a: random('a', [B, T, 4]), b: random('b', [B, C, 4]) }
    const { y } = await program.run(feeds)
    const inputs = { a: toReference(feeds.a), b: toReference(feeds.b) }
    expectEqual(y, interpret([program.trace.outputs.get('y')!], { inputs })[0]!, `B=${B} T=${T} C=${C}`)
  }
  await program.dispose()
})

it('log Σ exp of nothing but −∞ is −∞, and leaves the gradients of other rows alone', async () => {
  const build = ({ x }: { readonly x: Tensor }) => ({ y: logSumExp(x), dx: gradients(sum(logSumExp(x)), [x])[0]! })
  const program = compile({ x: float32(2, 3) }, build, { device: one })
  const { y, dx } = await program.run({ x: Float32Array.of(-Infinity, -Infinity, -Infinity, 0, 0, -Infinity) })
  expect(y.data).toEqual(Float32Array.of(-Infinity, Math.log(2)))
  expect(dx.data.slice(3)).toEqual(Float32Array.of(0.5, 0.5, 0))
})

describe('two programs that share variables', () => {
  it('see one another’s updates, frozen ones do not', async () => {
    const w = new Variable({ shape: [2], name: 'w' })
    await w.write(Float32Array.of(1, 2))
    const read = compile({}, () => ({ y: multiply(w, 10) }), { device: one })
    const frozen = compile({}, () => ({ y: multiply(w, 10) }), { device: one, frozen: true })
    const grow = compile({ by: float32() }, ({ by }) => ({ next: assign(w, multiply(w, by)), old: multiply(w, 1.5) }), {
      device: one,
    })
    expect((await frozen.run({})).y.data).toEqual(Float32Array.of(10, 20))
    for (const [by, expected] of [
      [2, [2, 4]],
      [3, [6, 12]],
    ] as const) {
      await grow.run({ by: Float32Array.of(by) })
      expect(await w.read()).toEqual(Float32Array.from(expected))
      expect((await read.run({})).y.data).toEqual(Float32Array.from(expected, (x) => 10 * x))
    }
    expect((await frozen.run({})).y.data).toEqual(Float32Array.of(10, 20))
    await w.write(Float32Array.of(-1, -1))
    expect((await read.run({})).y.data).toEqual(Float32Array.of(-10, -10))
  })

  it('count right when runs are started without waiting', async () => {
    const counter = new Variable({ shape: [], name: 'counter' })
    const step = compile(
      { by: float32() },
      ({ by }) => ({ now: multiply(counter, 1.5), next: assign(counter, cast(sum(reshape(by, [1])), 'float32')) }),
      { device: two },
    )
    const add = compile({}, () => ({ next: assign(counter, multiply(counter, 2)) }), { device: two })
    await step.run({ by: Float32Array.of(1) })
    await Promise.all(Array.from({ length: 6 }, () => add.run({})))
    expect(await counter.read()).toEqual(Float32Array.of(64))
  })
})

it('a session lasts: one compiled program, twenty runs, the same bits', async () => {
  const model = tinyModels['gpt, tied']!()
  for (const [variable, value] of model.variables) await variable.write(fromReference(value, 'float32').data)
  const program = compile(model.specs, (inputs: Record<string, Tensor>) => ({ loss: model.loss(inputs) }), { device: two })
  const feeds = Object.fromEntries(
    Object.entries(model.inputs).map(([name, value]) => [name, fromReference(value, model.specs[name]!.dtype)]),
  )
  const losses = new Set<number>()
  for (let run = 0; run < 20; run++) losses.add(Number((await program.run(feeds)).loss.data[0]))
  expect(losses.size).toBe(1)
})
