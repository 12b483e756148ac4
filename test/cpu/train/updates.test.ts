import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createRng } from '../../../src/base/rng.ts'
import { initialize, normal } from '../../../src/nn/index.ts'
import type { Device } from '../../../src/platform/device.ts'
import { openDevice } from '../../../src/platform/index.ts'
import { add, assign, float32, mean, multiply, parameter, square, subtract, variable } from '../../../src/tensor/index.ts'
import { fit, type TrainingTask } from '../../../src/train/index.ts'

let device: Device
beforeAll(async () => {
  device = await openDevice({ threads: 1, worker: false })
})
afterAll(() => device[Symbol.asyncDispose]())

class Counting {
  readonly weight = parameter([1], normal(1))
  readonly seen = variable({ shape: [1], initializer: () => new Float32Array(1) })
}

async function countingTask(): Promise<TrainingTask & { module: Counting }> {
  const module = new Counting()
  await initialize(module, createRng(1))
  return {
    module,
    inputs: { x: float32(2) },
    loss: ({ x }) => ({
      total: mean(square(subtract(multiply(x!, module.weight), 1))),
      updates: [assign(module.seen, add(module.seen, mean(x!, [0], { keep: true })))],
    }),
    batchAt: (index) => ({ x: Float32Array.of(index, index + 1) }),
  }
}

describe('updates of what no gradient trains', () => {
  test.each([1, 2])('are carried out at every batch, %i to an update', async (accumulate) => {
    const task = await countingTask()
    await fit(task, { device, steps: 3, accumulate, learningRate: 0.01 })
    const batches = 3 * accumulate
    const sum = Array.from({ length: batches }, (_, index) => index + 0.5).reduce((total, x) => total + x, 0)
    expect(Array.from(await task.module.seen.read(), Number)).toEqual([sum])
  })
})
