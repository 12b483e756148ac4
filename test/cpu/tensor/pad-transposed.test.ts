import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Device } from '../../../src/platform/device.ts'
import { openDevice } from '../../../src/platform/index.ts'
import { compile, float32, pad, transpose } from '../../../src/tensor/index.ts'

let device: Device
beforeAll(async () => {
  device = await openDevice({ worker: false, threads: 1 })
})
afterAll(() => device[Symbol.asyncDispose]())

test.each([0, 1, 2])('padding of axis %i between transpositions, which the runtime moves', async (axis) => {
  const order = [2, 0, 1]
  const program = compile(
    { x: float32(2, 3, 4) },
    ({ x }) => ({ padded: transpose(pad(transpose(x, order), axis, 1, 2), [1, 2, 0]), plain: pad(x, order[axis]!, 1, 2) }),
    { device },
  )
  const { padded, plain } = await program.run({ x: Float32Array.from({ length: 24 }, (_, i) => i + 1) })
  expect(padded).toEqual(plain)
  await program.dispose()
})
