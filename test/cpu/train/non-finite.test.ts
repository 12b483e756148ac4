import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { NonFiniteError } from '../../../src/base/errors.ts'
import type { Device } from '../../../src/platform/device.ts'
import { openDevice } from '../../../src/platform/index.ts'
import {
  add,
  constant,
  divide,
  exp,
  float32,
  log,
  mean,
  multiply,
  parameter,
  softmax,
  sqrt,
  square,
  subtract,
  sum,
  type Tensor,
} from '../../../src/tensor/index.ts'
import { adamw, type FitOptions, fit } from '../../../src/train/index.ts'
import { tinyTask, valuesOf } from './tiny-task.ts'

let device: Device
let root: string
beforeAll(async () => {
  device = await openDevice({ threads: 1, worker: false })
})
afterAll(() => device[Symbol.asyncDispose]())
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'nextx-non-finite-'))
})
afterEach(() => rmSync(root, { recursive: true }))

const four = (value: number) => () => new Float32Array(4).fill(value)

class Weights {
  readonly scale = parameter([4], four(1))
  readonly shift = parameter([4], four(1))
}

/** One run of a loss of four inputs; the batch of step s + 1 is `batches[s]`. */
async function run(
  loss: (x: Tensor, weights: Weights) => Tensor,
  batches: readonly (readonly number[])[],
  { module = new Weights(), ...options }: Partial<FitOptions> & { module?: Weights } = {},
) {
  const feeds = batches.map((values) => ({ x: Float32Array.from(values) }))
  const task = {
    module,
    inputs: { x: float32(4) },
    loss: ({ x }: { x: Tensor }) => ({ total: loss(x, module) }),
    batchAt: (step: number) => feeds[step]!,
    validation: { batches: 1, batchAt: () => feeds.at(-1)! },
  }
  const failure = await fit(task, { device, steps: batches.length, learningRate: 0.1, ...options }).catch((error: unknown) => error)
  return { failure: failure as Error, values: await valuesOf(module) }
}

async function fresh(): Promise<Weights> {
  const module = new Weights()
  await module.scale.write(four(1)())
  await module.shift.write(four(1)())
  return module
}

const scaled = (x: Tensor, { scale, shift }: Weights) => add(multiply(x, scale), shift)

test('names the operation that went first, its line, and how many of its values', async () => {
  const loss = (x: Tensor, weights: Weights) => {
    const root = sqrt(scaled(x, weights))
    return mean(square(exp(root)))
  }
  const module = await fresh()
  const before = await valuesOf(module)
  const { failure, values } = await run(loss, [[-3, 1, -9, 1]], { module })
  expect(failure).toBeInstanceOf(NonFiniteError)
  expect(failure.message).toMatch(
    /^the loss of step 1 is NaN: the first tensor that is not finite is sqrt float32\[4\] \(2 of 4 values\) at \S*non-finite\.test\.ts:\d+:\d+; lower/,
  )
  expect(values).toEqual(before)
})

test('names an input that was not finite when it came', async () => {
  const { failure } = await run(
    (x, w) => mean(square(scaled(x, w))),
    [
      [1, 1, 1, 1],
      [1, Number.NaN, 1, 1],
    ],
    { module: await fresh() },
  )
  expect(failure.message).toMatch(
    /^the loss of step 2 is NaN: the first tensor that is not finite is input x float32\[4\] \(1 of 4 values\);/,
  )
})

test('names a parameter that was not finite to begin with', async () => {
  const module = await fresh()
  await module.shift.write(Float32Array.of(1, Number.POSITIVE_INFINITY, 1, 1))
  const { failure } = await run((x, w) => mean(square(scaled(x, w))), [[1, 1, 1, 1]], { module })
  expect(failure.message).toMatch(/loss of step 1 is Infinity: .* is parameter shift float32\[4\] \(1 of 4 values\)/)
})

test('names the gradient when the loss itself is finite', async () => {
  // √(x·scale − x·scale) = 0 has slope ∞.
  const loss = (x: Tensor, { scale, shift }: Weights) =>
    add(sum(sqrt(multiply(square(subtract(scale, 1)), x))), sum(multiply(shift, x)))
  const module = await fresh()
  const before = await valuesOf(module)
  const { failure, values } = await run(loss, [[1, 1, 1, 1]], { module })
  expect(failure.message).toMatch(
    /^the gradient norm of step 1 is NaN: the first tensor that is not finite is divide float32\[4\] \(4 of 4 values\) on the way to the gradient of scale/,
  )
  expect(values).toEqual(before)
  const micro = await run(
    loss,
    [
      [1, 1, 1, 1],
      [1, 1, 1, 1],
    ],
    { module, accumulate: 2, steps: 1 },
  )
  expect(micro.failure.message).toMatch(/^the gradient norm of batch 1 of 2 of step 1 is NaN: .* divide/)
})

test('a gradient that overflows is named by its parameter', async () => {
  const loss = (x: Tensor, { scale, shift }: Weights) =>
    add(sum(multiply(multiply(scale, 1e-30), multiply(x, 1e30))), sum(multiply(shift, x)))
  const { failure } = await run(loss, [[1e30, 0, 0, 0]], { module: await fresh() })
  expect(failure.message).toMatch(
    /^the loss of step 1 is Infinity: .* multiply float32\[4\] \(1 of 4 values\) computed from input x/,
  )
  const steep = await run((x, { scale, shift }) => add(sum(multiply(scale, x)), sum(shift)), [[3e38, 0, 0, 0]], {
    module: await fresh(),
  })
  expect(steep.failure.message).toMatch(
    /gradient norm of step 1 is Infinity: .* multiply float32\[4\] \(1 of 4 values\) computed from the gradient of scale in/,
  )
})

test('infinities that are meant are not blamed', async () => {
  const loss = (x: Tensor, weights: Weights) => {
    const hidden = constant(Float32Array.of(0, 0, 0, Number.NEGATIVE_INFINITY), [4])
    return mean(log(add(softmax(add(scaled(x, weights), hidden)), -1)))
  }
  const { failure } = await run(loss, [[1, 2, 3, 4]], { module: await fresh() })
  expect(failure.message).toMatch(/first tensor that is not finite is log float32\[4\]/)
})

test('a long graph is searched in pieces', async () => {
  const loss = (x: Tensor, weights: Weights) => {
    let y = scaled(x, weights)
    for (let i = 0; i < 150; i++) y = add(y, 0.001)
    let z = divide(y, subtract(x, x))
    for (let i = 0; i < 20; i++) z = add(z, 0.001)
    return mean(z)
  }
  const { failure } = await run(loss, [[1, 1, 1, 1]], { module: await fresh() })
  expect(failure.message).toMatch(/first tensor that is not finite is divide float32\[4\] \(4 of 4 values\)/)
})

test('a validation loss that is not finite ends the run too', async () => {
  const loss = (x: Tensor, weights: Weights) => mean(sqrt(scaled(x, weights)))
  const { failure } = await run(
    loss,
    [
      [1, 1, 1, 1],
      [1, 1, 1, 1],
      [-5, 1, 1, 1],
    ],
    { module: await fresh(), validateEvery: 2, steps: 2 },
  )
  expect(failure.message).toMatch(/^the loss of validation batch 0 after step 2 is NaN: .* sqrt/)
})

test('the last good checkpoint stays, and the failure is in the log', async () => {
  const loss = (x: Tensor, weights: Weights) => mean(log(scaled(x, weights)))
  const log_ = join(root, 'log')
  const good = [1, 1, 1, 1]
  const { failure } = await run(loss, [good, good, good, [-9, 1, 1, 1]], {
    module: await fresh(),
    folder: root,
    checkpointEvery: 2,
    log: log_,
  })
  expect(failure.message).toMatch(/of step 4 /)
  expect(readdirSync(root).sort()).toEqual(['log', 'step-2'])
  expect(JSON.parse(readFileSync(log_, 'utf8').trimEnd().split('\n').at(-1)!)).toMatchObject({
    kind: 'failed',
    step: 3,
    problem: failure.message,
  })
})

test('a rate that float32 cannot hold is refused', async () => {
  await expect(fit(await tinyTask(), { device, steps: 1, learningRate: 1e39 })).rejects.toThrow(/learning rate of step 1/)
})

test('weights that an update broke are in no checkpoint', async () => {
  const task = await tinyTask()
  const settings = { device, steps: 1, folder: root, learningRate: 3e38, optimizer: adamw({ weightDecay: 100 }) }
  await expect(fit(task, settings)).rejects.toThrow(/checkpoint of step 1: .* holds a NaN or an infinity/)
  expect(readdirSync(root)).toEqual([])
})
